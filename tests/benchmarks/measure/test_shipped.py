"""Answers at the threshold that ships, against plain counting."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from benchmarks.measure.shipped import find_flips, measure_agreement, measure_answers
from gazeclip.bundle.contents import OperatingPoint
from gazeclip.bundle.rule import Rule
from gazeclip.errors import StageError
from gazeclip.scoring.evidence import Evidence
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.taxonomy import Taxonomy

TAXONOMY = Taxonomy.load("demo")
# The LLR is the fake logit itself: fake from 1 on, real below -1.
RULE = Rule(Evidence(("detection",), (1.0,), 0.0, -9.0, 9.0), OperatingPoint("fpr1", 1.0, -1.0))


def give(scores: list[float], labels: list[str]) -> SplitOutputs:
    return SplitOutputs(np.array(scores), np.zeros((len(scores), 8)), tuple(labels))


def test_rates_are_counts() -> None:
    labels = ["real"] * 4 + ["swap_gan"] * 2 + ["synth_flow"] * 3
    outputs = give([-2.0, -2.0, 0.0, 1.0, 5.0, 0.5, -3.0, -1.0, 1.0], labels)
    found = measure_answers(outputs, RULE, TAXONOMY)
    assert (found["false_alarms"], found["n_real"], found["fpr"]) == (1, 4, 0.25)
    low, high = found["fpr_interval"]
    assert low == pytest.approx(beta.ppf(0.025, 1, 4)) and high == pytest.approx(
        beta.ppf(0.975, 2, 3)
    )
    assert (found["tpr"], found["miss"], found["inconclusive_fake"]) == (0.4, 0.2, 0.4)
    assert found["inconclusive"] == pytest.approx(3 / 9) and found["inconclusive_real"] == 0.25
    assert found["per_generator"] == {
        "swap_gan": {"n": 2, "tpr": 0.5, "inconclusive": 0.5, "miss": 0.0},
        "synth_flow": {
            "n": 3,
            "tpr": pytest.approx(1 / 3),
            "inconclusive": pytest.approx(1 / 3),
            "miss": pytest.approx(1 / 3),
        },
    }


def test_what_is_not_there_has_no_rate() -> None:
    found = measure_answers(give([2.0], ["swap_gan"]), RULE, TAXONOMY)
    assert found["fpr"] is None and found["fpr_interval"] is None and found["tpr"] == 1.0
    assert measure_answers(give([2.0], ["real"]), RULE, TAXONOMY)["tpr"] is None


def test_flips_are_changed_answers_sorted_by_change() -> None:
    labels = ["real", "swap_gan", "swap_gan", "synth_gan"]
    before = give([-2.0, 1.1, 3.0, 2.0], labels)
    after = give([-1.5, 0.9, -3.0, 1.0], labels)
    flips = find_flips((before, RULE), (after, RULE))
    assert [(flip["index"], flip["before"], flip["after"]) for flip in flips] == [
        (2, "fake", "real"),
        (1, "fake", "inconclusive"),
    ]
    assert flips[0]["label"] == "swap_gan" and flips[0]["llr_after"] == -3.0
    agreement = measure_agreement(
        {"test": before, "test_unseen": before}, RULE, {"test": after, "test_unseen": before}, RULE
    )
    assert agreement == pytest.approx(6 / 8)
    # The same scores under another rule are another answer.
    other = Rule(RULE.evidence, OperatingPoint("fpr1", 2.5, -1.0))
    assert [flip["index"] for flip in find_flips((before, RULE), (before, other))] == [1, 3]
    with pytest.raises(StageError, match="different images"):
        find_flips((before, RULE), (give([0.0] * 4, ["real"] * 4), RULE))
