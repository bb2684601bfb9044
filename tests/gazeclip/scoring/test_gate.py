"""The gate passes what is as good, fails what is worse, and says when images cannot tell."""

from __future__ import annotations

import numpy as np
import pytest

from gazeclip.errors import StageError
from gazeclip.scoring.drops import (
    CANNOT_TELL,
    FAIL,
    FIGURES,
    LEAST_PERSONS,
    PASS,
    Drop,
    Gate,
    Judged,
    Truth,
)
from gazeclip.scoring.gate import CONFIDENCE, judge_drops

CLASSES = ("real", "swap", "gan")
LIMITS = {
    "auc": 0.01,
    "cllr": 0.05,
    "tpr": 0.03,
    "attribution": 0.03,
    "gaze_deg": 1.0,
    "worst_generator": 0.02,
}


def build_truth(each: int, gaze: np.ndarray | None = None) -> Truth:
    targets = np.repeat([0, 1, 2], each)
    persons = np.array([f"person {number}" for number in range(3 * each)])
    return Truth(targets, CLASSES, persons, gaze)


def answer(called_fake: np.ndarray) -> np.ndarray:
    return np.where(called_fake, "fake", "real")


def build_judged(truth: Truth, seed: int = 0, gap: float = 6.0) -> Judged:
    """Scores whose kinds lie `gap` apart; a larger one is a better file."""
    rng = np.random.default_rng(seed)
    n = len(truth.targets)
    llr = rng.normal(size=n) + gap * ((truth.targets != 0) - 0.5)
    named = truth.targets.copy()
    return Judged(llr, llr, answer(llr > 0), named, rng.normal(scale=0.1, size=(n, 2)))


def find_drop(gate: Gate, figure: str) -> Drop:
    return next(drop for drop in gate.drops if drop.figure == figure)


def test_a_file_passes_against_itself_and_names_all_figures() -> None:
    truth = build_truth(200)
    judged = build_judged(truth)
    gate = judge_drops(judged, judged, truth, LIMITS, rounds=200)
    assert gate.outcome == PASS
    assert [drop.figure for drop in gate.drops] == list(FIGURES)
    assert gate.agreement == 1.0
    assert all(drop.drop == 0 for drop in gate.drops) and gate.worst_ratio == 0


def test_a_broken_file_fails_by_evidence() -> None:
    truth = build_truth(200)
    gate = judge_drops(
        build_judged(truth), build_judged(truth, 1, gap=1.0), truth, LIMITS, rounds=200
    )
    assert gate.outcome == FAIL and gate.worst_ratio > 1
    for figure in ("auc", "cllr", "tpr", "worst_generator"):
        drop = find_drop(gate, figure)
        assert drop.outcome == FAIL and drop.low > drop.limit


@pytest.mark.parametrize("each", [10, 40])
def test_few_images_without_a_fault_prove_no_rate(each: int) -> None:
    """Nothing went wrong on any image, and 2 * each forged ones can still hide 3 in a hundred."""
    truth = build_truth(each)
    judged = build_judged(truth)
    drop = find_drop(judge_drops(judged, judged, truth, LIMITS, rounds=100), "tpr")
    n = 2 * each
    assert drop.high == pytest.approx(1 - (1 - CONFIDENCE) ** (1 / n))
    assert drop.outcome == CANNOT_TELL
    # So many would do: with one image fewer the rule of three still asks for more.
    assert drop.enough is not None
    assert (1 - LIMITS["tpr"]) ** drop.enough <= 1 - CONFIDENCE
    assert (1 - LIMITS["tpr"]) ** (drop.enough - 1) > 1 - CONFIDENCE


def test_images_of_one_person_count_once() -> None:
    truth = build_truth(200)
    few = Truth(truth.targets, CLASSES, np.array([str(n % 20) for n in range(600)]))
    judged = build_judged(truth)
    assert find_drop(judge_drops(judged, judged, few, LIMITS, 100), "tpr").outcome == CANNOT_TELL
    assert find_drop(judge_drops(judged, judged, truth, LIMITS, 100), "tpr").outcome == PASS


def test_one_generator_that_breaks_is_named() -> None:
    truth = build_truth(200)
    before = build_judged(truth)
    llr = before.llr.copy()
    llr[truth.targets == 2] -= 6.0  # where the real images are
    after = Judged(llr, llr, answer(llr > 0), before.named, before.gaze)
    drop = find_drop(judge_drops(before, after, truth, LIMITS, rounds=200), "worst_generator")
    assert drop.generator == "gan" and drop.outcome == FAIL


def test_gaze_is_judged_by_labels_where_there_are_some() -> None:
    truth = build_truth(100)
    before = build_judged(truth)
    turned = Judged(
        before.rank,
        before.llr,
        before.called_fake,
        before.named,
        before.gaze + np.array([0.0, 0.1]),
    )
    without = find_drop(judge_drops(before, turned, truth, LIMITS, 100), "gaze_deg")
    assert without.before == 0 and without.drop == pytest.approx(np.degrees(0.1), rel=0.05)
    # The labels say that the turned gaze is the right one.
    labelled = build_truth(100, turned.gaze)
    drop = find_drop(judge_drops(before, turned, labelled, LIMITS, 100), "gaze_deg")
    assert drop.after == pytest.approx(0, abs=1e-9) and drop.drop < 0 and drop.outcome == PASS


@pytest.mark.parametrize("kept", [1, 29])
def test_few_persons_of_a_generator_prove_nothing(kept: int) -> None:
    """Two images of a generator in perfect order are no evidence that it is still found."""
    truth = build_truth(200)
    rows = np.flatnonzero(truth.targets != 2)
    rows = np.append(rows, np.flatnonzero(truth.targets == 2)[:kept])
    few = Truth(truth.targets[rows], CLASSES, truth.persons[rows])
    judged = build_judged(few)
    drop = find_drop(judge_drops(judged, judged, few, LIMITS, 100), "worst_generator")
    assert (drop.generator, drop.outcome, drop.high) == ("gan", CANNOT_TELL, np.inf)
    assert drop.enough == np.ceil((400 - 200 + kept) * LEAST_PERSONS / kept)


def test_a_rare_class_bounds_the_macro_accuracy() -> None:
    """What five persons of one of three classes can hide is a third of their share."""
    truth = build_truth(200)
    rows = np.concatenate([np.flatnonzero(truth.targets != 2), np.arange(400, 405)])
    rare = Truth(truth.targets[rows], CLASSES, truth.persons[rows])
    judged = build_judged(rare)
    drop = find_drop(judge_drops(judged, judged, rare, LIMITS, 100), "attribution")
    assert drop.high >= (1 - (1 - CONFIDENCE) ** (1 / 5)) / 3 > LIMITS["attribution"]
    assert drop.outcome == CANNOT_TELL


def test_a_limit_of_zero_and_no_gaze_are_judged_all_the_same() -> None:
    truth = build_truth(100)
    untaught = Truth(truth.targets, CLASSES, truth.persons, has_gaze=False)
    judged = build_judged(untaught)
    gate = judge_drops(judged, judged, untaught, LIMITS | {"tpr": 0.0}, 100)
    assert "gaze_deg" not in {drop.figure for drop in gate.drops}
    assert find_drop(gate, "tpr").outcome == CANNOT_TELL and find_drop(gate, "tpr").enough is None
    worse = build_judged(untaught, 1, gap=1.0)
    ratio = judge_drops(judged, worse, untaught, LIMITS | {"tpr": 0.0}, 100).worst_ratio
    assert 1 < ratio < np.inf


def test_images_of_one_kind_are_refused() -> None:
    truth = build_truth(50)
    fakes = Truth(np.ones(150, dtype=int), CLASSES, truth.persons)
    judged = build_judged(truth)
    with pytest.raises(StageError, match="real and forged"):
        judge_drops(judged, judged, fakes, LIMITS, 100)
