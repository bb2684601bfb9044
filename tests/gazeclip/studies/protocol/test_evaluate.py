"""Protocol figures against scikit-learn and naive loops, and the division into P1 to P4."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from gazeclip.errors import ConfigError
from gazeclip.scoring.outputs import SplitOutputs, attribute
from gazeclip.studies.protocol.evaluate import (
    Threshold,
    evaluate_other,
    evaluate_protocol,
    fit_threshold,
    split_protocols,
)
from gazeclip.studies.protocol.tables import print_report, render_markdown
from gazeclip.taxonomy import Taxonomy

GENERATORS = {
    "swap": {"category": "face_swap", "family": "graphics"},
    "gan_a": {"category": "entire_synthesis", "family": "gan"},
    "gan_b": {
        "category": "entire_synthesis",
        "family": "gan",
    },  # a group of two: only sums over its classes tell
    "dif_a": {"category": "entire_synthesis", "family": "diffusion"},
    "gan_new": {"category": "entire_synthesis", "family": "gan", "seen": False},
    "dif_swap": {
        "category": "face_swap",
        "family": "diffusion",
        "seen": False,
    },  # known family, unseen (category, family)
    "flow_new": {"category": "entire_synthesis", "family": "flow", "seen": False},
}
TAXONOMY = Taxonomy.from_dict({"name": "hand", "generators": GENERATORS})
CLASSES = TAXONOMY.classes()  # real, swap, gan_a, gan_b, dif_a
UNSEEN = ("real", "gan_new", "dif_swap", "flow_new")


def outputs(names: tuple[str, ...], n: int, seed: int = 0) -> SplitOutputs:
    rng = np.random.default_rng(seed)
    labels = tuple(str(name) for name in rng.choice(names, n))
    fake = np.array([label != "real" for label in labels])
    nearest = {"gan_new": "gan_a", "dif_swap": "dif_a", "flow_new": "dif_a"}
    hits = np.array([nearest.get(label, label) for label in labels])[:, None] == np.array(CLASSES)
    # Rounded scores make ties, which AUC, EER and TPR must treat as scikit-learn does.
    return SplitOutputs(
        np.round(rng.normal(0, 1, n) + fake, 1),
        rng.normal(0, 1, (n, len(CLASSES))) + 1.5 * hits,
        labels,
    )


def both(n: int = 240) -> dict[str, SplitOutputs]:
    return {"test": outputs(CLASSES, n), "test_unseen": outputs(UNSEEN, n, seed=1)}


def groups_called(split: SplitOutputs) -> list[str]:
    """The most probable (category, family) of every image, by loops over the classes."""
    called = []
    for row in split.logits:
        shares = np.exp(row) / np.exp(row).sum()
        sums: dict[str, float] = {}
        for name, share in zip(CLASSES, shares, strict=True):
            group = "real" if name == "real" else "/".join(TAXONOMY.group(name))
            sums[group] = sums.get(group, 0.0) + share
        called.append(max(sums, key=lambda group: sums[group]))
    return called


def test_images_are_divided_by_family_and_share_the_reals_of_their_split() -> None:
    unseen = ["real", "flow_new", "gan_new", "real", "dif_swap"]
    chosen = split_protocols({"test": ["swap", "real"], "test_unseen": unseen}, TAXONOMY, CLASSES)
    assert {name: (s.split, s.rows.tolist()) for name, s in chosen.items()} == {
        "P1": ("test", [0, 1]),
        "P2": (
            "test_unseen",
            [0, 2, 3, 4],
        ),  # dif_swap: diffusion is known, though never as a face swap
        "P3": ("test_unseen", [0, 1, 3]),
    }
    # The same images under a model that was trained on swaps alone: every other family is unseen.
    narrow = split_protocols({"test_unseen": unseen}, TAXONOMY, ("real", "swap"))
    assert narrow["P2"].rows.tolist() == [0, 3]
    assert narrow["P3"].rows.tolist() == [0, 1, 2, 3, 4]
    assert len(narrow["P1"].rows) == 0


def test_a_label_outside_the_taxonomy_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown generator 'gan_knew'"):
        split_protocols({"test_unseen": ["gan_knew"]}, TAXONOMY, CLASSES)


def test_seen_generators_agree_with_scikit_learn() -> None:
    splits = both()
    test, threshold = splits["test"], Threshold(0.9, 0.01, 50)
    found = evaluate_protocol(splits, TAXONOMY, CLASSES, threshold=threshold, bootstrap=0)["P1"]
    fpr, tpr, _ = sk.roc_curve(test.is_fake, test.fake_logit)
    predicted = np.array(CLASSES)[test.logits.argmax(axis=1)]
    # The same arithmetic in another order: only rounding may differ.
    assert found["auc"] == pytest.approx(sk.roc_auc_score(test.is_fake, test.fake_logit), abs=1e-12)
    assert found["eer"] == pytest.approx(np.interp(0.0, fpr - (1 - tpr), fpr), abs=1e-9)
    assert found["tpr_at_fpr1"] == pytest.approx(tpr[fpr <= 0.01].max(), abs=1e-12)
    assert found["detection_acc"] == pytest.approx(
        sk.accuracy_score(test.is_fake, test.fake_logit > 0)
    )
    assert found["detection_acc_at_threshold"] == pytest.approx(
        sk.accuracy_score(test.is_fake, test.fake_logit >= 0.9)
    )
    assert found["attribution_macro_acc"] == pytest.approx(
        sk.balanced_accuracy_score(test.labels, predicted)
    )
    assert (found["n"], found["n_forged"] + found["n_real"], found["attribution_by"]) == (
        240,
        240,
        "class",
    )
    assert found["false_alarms_allowed"] == found["n_real"] // 100
    assert set(found["why_null"]) == {"auc_interval", "attribution_macro_acc_interval"}


@pytest.mark.parametrize(
    ("protocol", "names"),
    [("P1", CLASSES[1:]), ("P2", ("gan_new", "dif_swap")), ("P3", ("flow_new",))],
)
def test_each_generator_is_measured_against_the_reals_of_its_split(
    protocol: str, names: tuple[str, ...]
) -> None:
    splits = both()
    found = evaluate_protocol(
        splits, TAXONOMY, CLASSES, threshold=Threshold(0.5, 0.01, 9), bootstrap=0
    )[protocol]
    split = splits[found["split"]]
    labels, score = np.array(split.labels), split.fake_logit
    assert set(found["per_generator"]) == {"real", *names}
    assert found["n_real"] == (labels == "real").sum()
    for name in names:
        row, rows = found["per_generator"][name], (labels == name) | (labels == "real")
        assert row["n"] == (labels == name).sum()
        assert row["auc"] == pytest.approx(
            sk.roc_auc_score(labels[rows] == name, score[rows]), abs=1e-12
        )
        hits = [
            (s > 0) == (label == name) for s, label in zip(score[rows], labels[rows], strict=True)
        ]
        assert row["detection_acc"] == pytest.approx(np.mean(hits))
        assert row["flagged_fake"] == pytest.approx(np.mean(score[labels == name] > 0))
        assert row["flagged_fake_at_threshold"] == pytest.approx(
            np.mean(score[labels == name] >= 0.5)
        )


def test_the_family_a_generator_is_called_by_naive_count() -> None:
    splits = both()
    found = evaluate_protocol(splits, TAXONOMY, CLASSES, bootstrap=0)
    unseen = splits["test_unseen"]
    called = [group.rsplit("/", 1)[-1] for group in groups_called(unseen)]
    for protocol, name in (("P2", "gan_new"), ("P2", "dif_swap"), ("P3", "flow_new")):
        mine = [
            family for family, label in zip(called, unseen.labels, strict=True) if label == name
        ]
        expected = {
            family: mine.count(family) / len(mine)
            for family in ("real", "graphics", "gan", "diffusion")
        }
        assert found[protocol]["per_generator"][name]["called_family"] == pytest.approx(expected)
    rows = found["P2"]["per_generator"]
    assert rows["gan_new"]["family_acc"] == pytest.approx(rows["gan_new"]["called_family"]["gan"])
    assert found["P2"]["family_macro_acc"] == pytest.approx(
        (rows["gan_new"]["family_acc"] + rows["dif_swap"]["family_acc"]) / 2
    )


def test_what_no_class_can_answer_is_not_attributed() -> None:
    """dif_swap has no class of its (category, family) but one of its family; flow_new none."""
    splits = both()
    found = evaluate_protocol(
        splits, TAXONOMY, CLASSES, threshold=Threshold(0.0, 0.01, 9), bootstrap=20
    )
    unseen, p2, p3 = splits["test_unseen"], found["P2"], found["P3"]
    row = p2["per_generator"]["dif_swap"]
    assert (row["family_seen"], row["group_seen"], row["attribution_acc"]) == (True, False, None)
    assert row["why_null"] == {"attribution_acc": "no class is face_swap/diffusion"}
    assert row["family_acc"] is not None
    # The mean is over real and gan_new, the two that a class could be right about.
    called = np.array(groups_called(unseen))
    labels = np.array(unseen.labels)
    right = [
        (called[labels == name] == want).mean()
        for name, want in (("real", "real"), ("gan_new", "entire_synthesis/gan"))
    ]
    assert p2["attribution_macro_acc"] == pytest.approx(np.mean(right))
    assert p2["attribution_unreachable"] == ["face_swap/diffusion"]
    row = p3["per_generator"]["flow_new"]
    assert (row["family_seen"], row["attribution_acc"], row["family_acc"]) == (False, None, None)
    assert row["why_null"]["family_acc"] == "no class is flow"
    assert sum(row["called_family"].values()) == pytest.approx(1.0)
    for key in ("attribution_macro_acc", "attribution_macro_acc_interval", "family_macro_acc"):
        assert p3[key] is None
        assert p3["why_null"][key] == "no class is of the group or family of these generators"
    assert p3["auc"] is not None


def test_the_threshold_is_the_lowest_that_keeps_to_the_rate_on_val() -> None:
    val = outputs(CLASSES, 900, seed=5)
    threshold = fit_threshold(val)
    assert threshold is not None
    real = [
        score for score, label in zip(val.fake_logit, val.labels, strict=True) if label == "real"
    ]
    assert threshold.n_real == len(real)

    def flagged(value: float) -> float:
        return sum(score >= value for score in real) / len(real)

    assert flagged(threshold.value) <= 0.01
    assert all(flagged(score) > 0.01 for score in real if score < threshold.value)
    assert fit_threshold(outputs(("swap",), 10)) is None


@pytest.mark.parametrize(
    ("names", "why", "n"),
    [
        (("real",), "no forged image", 30),
        (("gan_new",), "no real image to compare with", 30),
        (("real",), "no image", 0),
    ],
)
def test_with_one_class_missing_detection_is_refused_with_a_reason(
    names: tuple[str, ...], why: str, n: int
) -> None:
    found = evaluate_protocol(
        {"test_unseen": outputs(names, n)},
        TAXONOMY,
        CLASSES,
        threshold=Threshold(0.0, 0.01, 9),
        bootstrap=20,
    )["P2"]
    for key in (
        "auc",
        "auc_interval",
        "eer",
        "tpr_at_fpr1",
        "detection_acc",
        "detection_acc_at_threshold",
    ):
        assert found[key] is None
        assert found["why_null"][key] == why
    for row in found["per_generator"].values():
        assert row.get("auc") is None
        assert 0 <= row["flagged_fake"] <= 1  # what is defined is still given
    json.dumps(found, allow_nan=False)


def test_an_unknown_family_is_shared_by_nobody() -> None:
    entry = {"category": "unknown", "family": "unknown"}
    unseen = {**entry, "seen": False}
    taxonomy = Taxonomy.from_dict({"generators": {"fake": entry, "other": unseen}})
    labels = {"test_unseen": np.array(["real", "other"])}
    found = split_protocols(labels, taxonomy, ("real", "fake"))
    assert list(found["P2"].rows) == [0]
    assert list(found["P3"].rows) == [0, 1]
    for level in ("category+family", "family"):
        named = attribute(np.array([[0.1, 0.9]]), ["other"], ("real", "fake"), taxonomy, level)
        assert named.unreachable == ("unknown (other)",)
        assert list(named.true) != list(named.predicted)


def test_missing_splits_are_empty_protocols() -> None:
    found = evaluate_protocol({}, TAXONOMY, CLASSES, bootstrap=20)
    assert list(found) == ["P1", "P2", "P3"]
    for entry in found.values():
        assert (entry["n"], entry["auc"], entry["attribution_macro_acc"]) == (0, None, None)
        assert set(entry["why_null"].values()) == {"no image"}


def test_the_order_of_the_images_changes_nothing() -> None:
    splits = both(120)
    rng = np.random.default_rng(3)
    shuffled = {
        name: split.take(rng.permutation(len(split.labels))) for name, split in splits.items()
    }
    options: dict[str, Any] = {"threshold": Threshold(0.4, 0.01, 9), "bootstrap": 50, "seed": 2}
    first = evaluate_protocol(splits, TAXONOMY, CLASSES, **options)
    assert (
        evaluate_protocol(shuffled, TAXONOMY, CLASSES, **options) == first
    )  # intervals included, to the last bit
    assert evaluate_protocol(splits, TAXONOMY, CLASSES, **{**options, "seed": 3}) != first


def test_intervals_cover_the_figures() -> None:
    found = evaluate_protocol(both(), TAXONOMY, CLASSES, bootstrap=200)
    for entry in (
        found["P1"],
        found["P2"],
        *(found["P1"]["per_generator"][name] for name in CLASSES[1:]),
    ):
        low, high = entry["auc_interval"]
        assert low < entry["auc"] < high
    low, high = found["P1"]["attribution_macro_acc_interval"]
    assert low < found["P1"]["attribution_macro_acc"] < high


def test_a_second_picture_of_everyone_narrows_no_interval() -> None:
    once = {
        name: replace(split, identities=tuple(f"p{n:04d}" for n in range(len(split.labels))))
        for name, split in both().items()
    }
    twice = {
        name: split.take(np.arange(len(split.labels)).repeat(2)) for name, split in once.items()
    }
    strangers = {name: replace(split, identities=None) for name, split in twice.items()}
    one, two, wrong = (
        evaluate_protocol(splits, TAXONOMY, CLASSES, bootstrap=100)["P1"]
        for splits in (once, twice, strangers)
    )
    for key in ("auc_interval", "attribution_macro_acc_interval"):
        assert two[key] == pytest.approx(one[key])
        assert wrong[key][1] - wrong[key][0] < 0.9 * (one[key][1] - one[key][0])
    name = CLASSES[1]
    assert two["per_generator"][name]["auc_interval"] == pytest.approx(
        one["per_generator"][name]["auc_interval"]
    )


OTHER = Taxonomy.from_dict(
    {
        "name": "other",
        "generators": {
            "some_gan": {"category": "reenactment", "family": "gan"},
            "some_flow": {"category": "entire_synthesis", "family": "flow"},
        },
    }
)


def test_another_data_set_is_attributed_by_family_under_its_own_names() -> None:
    """Neither generator is known to the run's taxonomy; one is of a family that was trained on."""
    split = outputs(("real", "some_gan", "some_flow"), 150)
    found = evaluate_other(split, OTHER, TAXONOMY, CLASSES, bootstrap=0)
    called = np.array([group.rsplit("/", 1)[-1] for group in groups_called(split)])
    labels = np.array(split.labels)
    share = {
        name: (called[labels == name] == want).mean()
        for name, want in (("real", "real"), ("some_gan", "gan"))
    }
    assert found["attribution_by"] == "family"
    assert found["attribution_macro_acc"] == pytest.approx((share["real"] + share["some_gan"]) / 2)
    assert found["family_macro_acc"] == pytest.approx(share["some_gan"])
    assert found["attribution_unreachable"] == ["flow"]
    assert found["per_generator"]["some_gan"]["group_seen"] is False
    assert found["per_generator"]["some_flow"]["family_acc"] is None
    assert found["auc"] == pytest.approx(
        sk.roc_auc_score(split.is_fake, split.fake_logit), abs=1e-12
    )


def report(splits: dict[str, SplitOutputs]) -> dict[str, Any]:
    protocols = evaluate_protocol(
        splits, TAXONOMY, CLASSES, threshold=Threshold(0.25, 0.01, 40), bootstrap=20
    )
    return {
        "run": "r",
        "model": "teacher",
        "threshold": {"value": 0.25, "fpr": 0.01, "n_real": 40},
        "protocols": protocols,
        "made_from": {"seed": 0, "cite": ["A, B, arXiv:1"]},
    }


def test_tables_show_dashes_and_reasons_instead_of_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    made = report({"test": outputs(CLASSES, 150)})
    text = render_markdown(made)
    assert "P2: no figures, because test_unseen has no forged image of this kind" in text
    assert next(line for line in text.splitlines() if line.startswith("| P3")).count("–") == 7  # noqa: RUF001
    assert "arXiv:1" in text
    auc = f"{made['protocols']['P1']['auc']:.3f}"
    rich, plain = io.StringIO(), io.StringIO()
    print_report(made, rich)
    monkeypatch.setitem(sys.modules, "rich", None)
    print_report(made, plain)
    for shown in (text, rich.getvalue(), plain.getvalue()):
        assert auc in shown
        assert "fitted for 1% false alarms on 40 reals of val" in shown


def test_a_set_without_reals_says_so() -> None:
    text = render_markdown(report({"test": outputs(CLASSES[1:], 40)}))
    assert "P1: no detection figures but the share flagged, because test has no real image" in text


def test_evaluation_imports_no_torch() -> None:
    names = ("evaluate", "figures", "command", "tables")
    modules = ", ".join(f"gazeclip.studies.protocol.{name}" for name in names)
    code = f"import sys, {modules}; sys.exit(bool({{'torch', 'rich'}} & set(sys.modules)))"
    root = Path(__file__).parents[4]
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60, check=False).returncode
        == 0
    )
