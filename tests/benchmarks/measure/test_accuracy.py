"""Accuracy figures against scikit-learn and against cases counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from benchmarks.measure.accuracy import evaluate_splits
from benchmarks.measure.curves import confusion_counts, gaze_histogram, roc_points
from gazeclip.bundle.contents import OperatingPoint
from gazeclip.bundle.rule import Rule
from gazeclip.errors import StageError
from gazeclip.scoring.evidence import Evidence
from gazeclip.scoring.outputs import SplitOutputs, attribute
from gazeclip.taxonomy import Taxonomy

TAXONOMY = Taxonomy.from_dict(
    {
        "name": "tiny",
        "generators": {
            "swap": {"category": "face_swap", "family": "graphics"},
            "gan_a": {"category": "entire_synthesis", "family": "gan"},
            "gan_b": {"category": "entire_synthesis", "family": "gan"},
            "gan_new": {"category": "entire_synthesis", "family": "gan", "seen": False},
            "flow_new": {"category": "entire_synthesis", "family": "flow", "seen": False},
        },
    }
)
CLASSES = TAXONOMY.classes()  # real, swap, gan_a, gan_b


def random_split(n: int = 300, seed: int = 0) -> SplitOutputs:
    rng = np.random.default_rng(seed)
    labels = rng.choice(CLASSES, n)
    fake = labels != "real"
    logits = rng.normal(0, 1, (n, len(CLASSES))) + 1.5 * (labels[:, None] == np.array(CLASSES))
    # Rounded scores make ties, which AUC and TPR must treat as scikit-learn does.
    return SplitOutputs(np.round(rng.normal(0, 1, n) + fake, 1), logits, tuple(labels))


def test_figures_agree_with_scikit_learn() -> None:
    split = random_split()
    result = evaluate_splits({"test": split}, TAXONOMY, CLASSES, bootstrap=0)["test"]
    labels, predicted = np.array(split.labels), np.array(CLASSES)[split.logits.argmax(axis=1)]
    fpr, tpr, _ = sk.roc_curve(split.is_fake, split.fake_logit)
    # The same arithmetic in another order: only rounding may differ.
    assert result["auc"] == pytest.approx(
        sk.roc_auc_score(split.is_fake, split.fake_logit), abs=1e-12
    )
    assert result["tpr_at_fpr1"] == pytest.approx(tpr[fpr <= 0.01].max(), abs=1e-12)
    assert result["attribution_acc"] == pytest.approx(sk.accuracy_score(labels, predicted))
    assert result["attribution_macro_acc"] == pytest.approx(
        sk.balanced_accuracy_score(labels, predicted)
    )
    assert result["attribution_by"] == "class"
    assert (result["n"], result["n_real"]) == (300, int((labels == "real").sum()))
    crossing = np.interp(0.0, fpr - (1 - tpr), fpr)
    assert result["eer"] == pytest.approx(crossing, abs=1e-9)


def test_per_generator_auc_is_against_the_reals_of_the_split() -> None:
    split = random_split()
    table = evaluate_splits({"test": split}, TAXONOMY, CLASSES, bootstrap=0)["test"][
        "per_generator"
    ]
    labels = np.array(split.labels)
    assert list(table) == ["real", "swap", "gan_a", "gan_b"]
    assert table["real"]["auc"] is None
    for name in ("swap", "gan_a", "gan_b"):
        rows = (labels == "real") | (labels == name)
        assert table[name]["auc"] == pytest.approx(
            sk.roc_auc_score(labels[rows] == name, split.fake_logit[rows]), abs=1e-12
        )
        assert table[name]["n"] == int((labels == name).sum())


def test_unseen_generators_are_attributed_by_the_summed_probability_of_their_group() -> None:
    # gan_a and gan_b together beat swap though each alone loses; only the sum tells.
    probability = np.array([[0.1, 0.4, 0.3, 0.2], [0.5, 0.1, 0.2, 0.2], [0.0, 0.9, 0.1, 0.0]])
    split = SplitOutputs(
        np.array([2.0, -1.0, 1.0]), np.log(probability + 1e-12), ("gan_new", "real", "flow_new")
    )
    result = evaluate_splits({"test_unseen": split}, TAXONOMY, CLASSES, bootstrap=0)["test_unseen"]
    assert result["attribution_by"] == "category+family"
    assert result["attribution_acc"] == pytest.approx(
        2 / 3
    )  # no class is a flow: that image cannot be right
    assert result["attribution_unreachable"] == ["entire_synthesis/flow"]
    assert result["per_generator"]["gan_new"]["attribution_acc"] == 1.0
    assert result["per_generator"]["flow_new"]["attribution_acc"] == 0.0
    assert result["per_generator"]["real"]["family_acc"] == 1.0
    by_class = attribute(probability, split.labels, CLASSES, TAXONOMY, "class")
    assert list(by_class.predicted) == ["swap", "real", "swap"]


def test_family_accuracy_forgives_the_generator_but_not_the_family() -> None:
    wanted = ["gan_a", "gan_a", "swap"]
    answered = ["gan_b", "swap", "swap"]
    logits = np.array([[10.0 * (name == answer) for name in CLASSES] for answer in answered])
    table = evaluate_splits(
        {"test": SplitOutputs(np.ones(3), logits, tuple(wanted))}, TAXONOMY, CLASSES, bootstrap=0
    )["test"]["per_generator"]
    assert (table["gan_a"]["attribution_acc"], table["gan_a"]["family_acc"]) == (0.0, 0.5)


def test_a_rule_gives_calibration_and_answers_and_moves_nothing_else() -> None:
    split = random_split(n=400)
    evidence = Evidence(("detection",), (0.5,), 0.3, -3.0, 3.0)
    rule = Rule(evidence, OperatingPoint("fpr1", 0.6, -0.4))
    bare, ruled = (
        evaluate_splits({"test": split}, TAXONOMY, CLASSES, rule=given, bootstrap=0)["test"]
        for given in (None, rule)
    )
    llr = np.clip(0.5 * split.fake_logit + 0.3, -3, 3)
    p = 1 / (1 + np.exp(-llr))
    weight = np.where(split.is_fake, 0.5 / split.is_fake.sum(), 0.5 / (~split.is_fake).sum())
    assert ruled["cllr"] == pytest.approx(
        sk.log_loss(split.is_fake, p, sample_weight=weight) / np.log(2)
    )
    assert ruled["shipped"]["tpr"] == pytest.approx((llr[split.is_fake] >= 0.6).mean())
    assert ruled["min_cllr"] <= ruled["cllr"] and 0 <= ruled["ece"] <= 1
    for key in ("cllr", "min_cllr", "ece", "shipped"):
        assert bare[key] is None and bare["why_null"][key] == "it was not calibrated"
    for key in ("auc", "tpr_at_fpr1", "eer", "attribution_acc"):
        assert bare[key] == ruled[key]
    # Ranked is what is answered by: here the margin, which the fake logit says nothing of.
    other = Rule(Evidence(("margin",), (1.0,), 0.0, -0.1, 0.1), OperatingPoint("fpr1", 0.6, -0.4))
    found = evaluate_splits({"test": split}, TAXONOMY, CLASSES, rule=other, bootstrap=0)["test"]
    margin = split.logits[:, 1:].max(axis=1) - split.logits[:, 0]
    assert found["auc"] == pytest.approx(sk.roc_auc_score(split.is_fake, margin))
    assert found["detection_acc"] == pytest.approx((split.is_fake == (margin > 0)).mean())


def test_interval_covers_the_figure_and_matches_its_standard_error() -> None:
    split = random_split(n=400)
    result = evaluate_splits({"test": split}, TAXONOMY, CLASSES, bootstrap=600)["test"]
    low, high = result["attribution_acc_interval"]
    accuracy = result["attribution_acc"]
    # A mean of 0/1 values has a known standard error; 600 resamplings put the width within about
    # 12% of it.
    expected = 2 * 1.96 * np.sqrt(accuracy * (1 - accuracy) / 400)
    assert low < accuracy < high
    assert high - low == pytest.approx(expected, rel=0.2)
    assert result["auc_interval"][0] < result["auc"] < result["auc_interval"][1]
    again = evaluate_splits({"test": split}, TAXONOMY, CLASSES, bootstrap=600)["test"]
    assert again == result


def test_a_second_picture_of_everyone_narrows_no_interval() -> None:
    split = random_split(n=200)
    once = replace(split, identities=tuple(f"p{n:04d}" for n in range(200)))
    one, two = (
        evaluate_splits({"test": found}, TAXONOMY, CLASSES, bootstrap=100)["test"]
        for found in (once, once.take(np.arange(200).repeat(2)))
    )
    for key in ("auc_interval", "attribution_acc_interval"):
        assert two[key] == pytest.approx(one[key])


@pytest.mark.parametrize(
    ("label", "why"),
    [("real", "the split has no forged image"), ("swap", "the split has no real image")],
)
def test_figures_that_cannot_be_computed_are_null_with_a_reason(label: str, why: str) -> None:
    split = SplitOutputs(np.array([1.0, -1.0, 0.5]), np.eye(4)[:3], (label,) * 3)
    result = evaluate_splits({"test": split}, TAXONOMY, CLASSES, bootstrap=20)["test"]
    for key in ("auc", "tpr_at_fpr1", "eer", "auc_interval"):
        assert result[key] is None
        assert result["why_null"][key] == why
    assert result["attribution_acc"] == pytest.approx(1 / 3)


def test_an_empty_split_is_null_throughout() -> None:
    result = evaluate_splits(
        {"test": SplitOutputs(np.zeros(0), np.zeros((0, 4)), ())}, TAXONOMY, CLASSES, bootstrap=20
    )["test"]
    assert result["n"] == 0
    assert {key: result[key] for key in ("auc", "ece", "attribution_acc")} == {
        "auc": None,
        "ece": None,
        "attribution_acc": None,
    }
    assert set(result["why_null"].values()) == {"the split is empty"}


def test_outputs_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(StageError, match="do not belong together"):
        SplitOutputs(np.zeros(3), np.zeros((2, 4)), ("real",) * 3)
    with pytest.raises(StageError, match="NaN"):
        SplitOutputs(np.array([np.nan]), np.zeros((1, 4)), ("real",))
    with pytest.raises(StageError, match="3 attribution outputs for 4 classes"):
        evaluate_splits(
            {"test": SplitOutputs(np.zeros(1), np.zeros((1, 3)), ("real",))},
            TAXONOMY,
            CLASSES,
            bootstrap=0,
        )


def test_roc_points_keep_the_area() -> None:
    split = random_split(n=500)
    points = roc_points(split.is_fake, split.fake_logit)
    assert points is not None
    # Corners only: leaving out points on straight lines changes nothing (6 digits are kept per
    # point).
    assert sk.auc(points["fpr"], points["tpr"]) == pytest.approx(
        sk.roc_auc_score(split.is_fake, split.fake_logit), abs=1e-5
    )
    assert (points["fpr"][0], points["tpr"][0], points["fpr"][-1], points["tpr"][-1]) == (
        0,
        0,
        1,
        1,
    )
    assert roc_points(np.ones(3, dtype=bool), np.arange(3.0)) is None


def test_roc_points_of_many_images_are_thinned() -> None:
    rng = np.random.default_rng(0)
    fake = rng.random(5000) < 0.5
    points = roc_points(fake, rng.normal(0, 1, 5000) + fake, most=100)
    assert points is not None
    assert len(points["fpr"]) <= 100
    assert (points["fpr"][-1], points["tpr"][-1]) == (1, 1)


def test_confusion_agrees_with_scikit_learn() -> None:
    split = random_split()
    matrix = confusion_counts(split, TAXONOMY, CLASSES, "class")
    predicted = np.array(CLASSES)[split.logits.argmax(axis=1)]
    assert matrix["rows"] == matrix["columns"] == list(CLASSES)
    assert np.array_equal(
        matrix["counts"], sk.confusion_matrix(split.labels, predicted, labels=list(CLASSES))
    )


def test_confusion_of_unseen_shows_where_each_generator_went() -> None:
    logits = np.log(np.array([[0.1, 0.4, 0.3, 0.2], [0.9, 0.0, 0.1, 0.0]]) + 1e-12)
    matrix = confusion_counts(
        SplitOutputs(np.zeros(2), logits, ("gan_new", "flow_new")),
        TAXONOMY,
        CLASSES,
        "category+family",
    )
    assert matrix["rows"] == ["gan_new", "flow_new"]
    assert matrix["columns"] == ["real", "face_swap/graphics", "entire_synthesis/gan"]
    assert matrix["expected"] == ["entire_synthesis/gan", "entire_synthesis/flow"]
    assert matrix["counts"] == [[0, 0, 1], [1, 0, 0]]


def test_gaze_histogram_counts_in_degrees_and_keeps_outliers() -> None:
    gaze = np.deg2rad([[5.0, -5.0], [5.0, 90.0], [-30.0, 0.5]])
    histogram = gaze_histogram(gaze, np.array([False, False, True]), limit_deg=40, bins=8)
    assert histogram is not None
    assert histogram["pitch"]["real"] == [0, 0, 0, 0, 1, 0, 0, 0]
    assert histogram["yaw"]["real"] == [
        0,
        0,
        0,
        0.5,
        0,
        0,
        0,
        0.5,
    ]  # 90 degrees falls into the last bin
    assert histogram["pitch"]["fake"] == [0, 1, 0, 0, 0, 0, 0, 0]
    assert gaze_histogram(gaze, np.array([True] * 3)) is None
