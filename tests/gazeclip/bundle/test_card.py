"""The model card says what the bundle's data say."""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazeclip.bundle.answers import count_answers
from gazeclip.bundle.card import model_card
from gazeclip.bundle.contents import BankInput, BundleClass, BundleContents, OperatingPoint
from gazeclip.bundle.write import copy_with_point, describe_contents, write_bundle


def test_card_is_written_from_the_data(bundles: dict[str, Path]) -> None:
    card = (bundles["onnx"] / "MODEL_CARD.md").read_text(encoding="utf-8")
    for piece in (
        "| swap | Swap | face_swap | graphics |",
        "| fpr1 | 1.4 | -1 | 0.01 | 0.00994 | 300 | 0.05 | 0.043 | 140 |",
        "| weight of margin | 0.05 |",
        "| limits | -6 to 5.7 |",
        "| test_unseen | - | 0 |",
        "Not counted when this bundle was made.",
    ):
        assert piece in card, piece


def test_it_says_what_it_is_for(contents: BundleContents) -> None:
    card = model_card(describe_contents(contents))
    use = card.partition("## Intended use")[2].partition("\n## ")[0]
    assert "entire_synthesis, face_swap (Swap, A GAN, A flow)" in use
    assert "a camera" not in use  # the class of real images is no forgery
    assert "Not for:" in use


def test_of_a_gaze_that_was_not_trained_it_promises_nothing(contents: BundleContents) -> None:
    with_gaze = model_card(describe_contents(contents))
    without = model_card(describe_contents(dataclasses.replace(contents, gaze=False)))
    for piece in ("where the face looks", "pitch and yaw"):
        assert piece in with_gaze and piece not in without
    assert "`gaze (B, 2)` = nothing: it was not trained" in without
    assert "made by a machine and which kind of generator made it." in without


def test_of_unknown_kinds_it_promises_none(contents: BundleContents) -> None:
    fake = BundleClass("fake", "an unknown generator", category="unknown", family="unknown")
    meta = describe_contents(contents)
    meta["classes"] = [meta["classes"][0], dataclasses.asdict(fake)]
    use = model_card(meta).partition("## Intended use")[2].partition("\n## ")[0]
    assert "trained on: nobody said which (an unknown generator)" in use
    meta["classes"].append(describe_contents(contents)["classes"][1])
    use = model_card(meta).partition("## Intended use")[2].partition("\n## ")[0]
    assert "trained on: face_swap (an unknown generator, Swap)" in use


def test_answers_are_counted_as_a_loop_counts_them(contents: BundleContents) -> None:
    rng = np.random.default_rng(5)
    outputs = {
        "logits": rng.normal(size=(60, 4)).astype(np.float32),
        "fake_logit": 3 * rng.normal(size=(60, 1)).astype(np.float32),
    }
    targets = rng.integers(0, 3, 60)  # no image of the last class
    point = contents.thresholds["fpr1"]
    names = [entry.name for entry in contents.classes]
    found = count_answers(outputs, targets, names, contents.evidence, point)
    wanted: Counter[tuple[str, str]] = Counter()
    for row, target in enumerate(targets):
        one = {name: values[row : row + 1] for name, values in outputs.items()}
        llr = float(contents.evidence.weigh(one["fake_logit"], one["logits"])[0])
        wanted[names[target], point.decide(llr)] += 1
    assert list(found) == names[:3]
    for name, entry in found.items():
        assert entry["n"] == int((targets == names.index(name)).sum())
        for answer in ("real", "fake", "inconclusive"):
            assert entry[answer] == wanted[name, answer]


def describe_with_bank(contents: BundleContents, rows: int | None) -> str:
    told = dataclasses.replace(contents, bank_input=BankInput("bank_port", rows))
    return model_card(describe_contents(told))


def cut_section(card: str, title: str) -> str:
    return card.partition(f"## {title}")[2].partition("\n## ")[0]


def test_a_baked_model_has_one_input_and_its_own_classes(contents: BundleContents) -> None:
    card = model_card(describe_contents(contents))
    assert "bank" not in card and "`logits (B, 4)`" in card


def test_core_ml_takes_a_picture_and_others_an_array(contents: BundleContents) -> None:
    ports = {}
    for target in ("onnx", "tflite", "coreml"):
        told = dataclasses.replace(contents, target=target)
        ports[target] = cut_section(model_card(describe_contents(told)), "Input and output")
    assert ports["onnx"] == ports["tflite"] and "`(B, 32, 32, 3)`" in ports["onnx"]
    assert "(B, 32" not in ports["coreml"] and "RGB picture of 32 x 32 pixels" in ports["coreml"]


@pytest.mark.parametrize(("rows", "shape"), [(None, "(K, 6)"), (64, "(64, 6)")])
def test_a_text_bank_is_an_input_with_a_shape(
    contents: BundleContents, rows: int | None, shape: str
) -> None:
    ports = cut_section(describe_with_bank(contents, rows), "Input and output")
    assert f"`bank_port`, float32 `{shape}`" in ports
    assert ("zeros below" in ports) == (rows is not None)
    assert ("of which the first K count" in ports) == (rows is not None)
    assert f"`logits (B, {shape[1:].split(',')[0]})`" in ports
    assert "(B, 4)" not in ports  # the number of its own classes


def test_a_signature_covers_the_bundles_own_bank_alone(
    spoiled: Path, contents: BundleContents
) -> None:
    """The card says so; the signature is over the digest, and that over the bank's hash."""
    classes = cut_section(describe_with_bank(contents, None), "Classes")
    assert "which its hashes and its signature cover" in classes
    assert "neither covers it" in classes
    assert "| swap | Swap | face_swap | graphics |" in classes
    bundle = write_bundle(spoiled, contents)
    rows = contents.text_bank.copy()
    rows[1] = -rows[1]
    other = write_bundle(spoiled, dataclasses.replace(contents, text_bank=rows))
    assert other.digest != bundle.digest
    elsewhere = other.with_bank(other.classes, contents.text_bank)
    assert elsewhere.digest == other.digest


def with_counts(contents: BundleContents) -> BundleContents:
    counts = {"real": {"n": 200, "fake": 1, "inconclusive": 19, "real": 180}}
    return dataclasses.replace(contents, metrics={**contents.metrics, "shipped": counts})


def test_figures_at_the_shipped_threshold_are_shares(contents: BundleContents) -> None:
    card = model_card(describe_contents(with_counts(contents)))
    assert "| real | 200 | 0.5% | 9.5% | 90.0% |" in card


def test_counts_go_with_the_threshold_that_they_are_of(
    spoiled: Path, contents: BundleContents, tmp_path: Path
) -> None:
    bundle = write_bundle(spoiled, with_counts(contents))
    other = OperatingPoint("fpr5", 0.5, -1.0)
    kept = copy_with_point(spoiled, tmp_path / "a", other, bundle.evidence, {})
    assert "shipped" in kept.meta["metrics"]
    moved = dataclasses.replace(other, name="fpr1")
    without = copy_with_point(spoiled, tmp_path / "b", moved, bundle.evidence, {})
    assert "shipped" not in without.meta["metrics"]


def limits_of(contents: BundleContents, **changes: Any) -> str:
    meta = copy.deepcopy(describe_contents(contents)) | changes
    return model_card(meta).partition("## Limits")[2].partition("\n## ")[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metrics": {"images": "rendered"}}, "say nothing about photographs"),
        ({"target": "tflite"}, "one image at a time"),
        ({"precision": "int8"}, "Nobody compared how it judges"),
        (
            {
                "thresholds": {
                    "fpr1": OperatingPoint("f", 1, 0, 0.01, 0.05, 0.03, 0.04, 99, 90).to_entry()
                }
            },
            "99 persons are too few to show that false alarms stay below 1%: they show no more "
            "than 3%",
        ),
    ],
)
def test_limits_follow_from_the_data(
    changes: dict[str, Any], words: str, contents: BundleContents
) -> None:
    assert words not in limits_of(contents)
    assert words in limits_of(contents, **changes)


def test_a_rejected_file_says_so(contents: BundleContents) -> None:
    drop = {
        "figure": "tpr",
        "generator": None,
        "before": 0.9,
        "after": 0.5,
        "limit": 0.03,
        "outcome": "fail",
    }
    gate = {"outcome": "fail", "accepted": False, "n_real": 9, "n_fake": 9, "drops": [drop]}
    told = limits_of(contents, precision="int8", gate=gate)
    assert "REJECTED by the gate" in told and "tpr 0.900 -> 0.500 (allowed 0.03)" in told
