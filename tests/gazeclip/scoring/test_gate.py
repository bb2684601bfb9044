"""The gate passes what is as good, fails what is worse, and says when images cannot tell."""

from __future__ import annotations

import numpy as np
import pytest

from gazeclip.scoring.gate import (
    CANNOT_TELL,
    CONFIDENCE,
    FAIL,
    FIGURES,
    PASS,
    Drop,
    Gate,
    Judged,
    Truth,
    judge_drops,
)

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


def test_a_passing_gate_errs_as_rarely_as_it_says() -> None:
    """Files that truly lose exactly the limit pass in about 5% of all data sets, not in half."""
    limits = LIMITS | {"tpr": 0.05}
    passed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        truth = build_truth(150)
        before = build_judged(truth, seed, gap=20.0)
        lost = rng.random(len(truth.targets)) < limits["tpr"]
        after = Judged(
            before.rank, before.llr, answer(before.called_fake & ~lost), before.named, before.gaze
        )
        gate = judge_drops(before, after, truth, limits, rounds=200, seed=seed)
        passed += find_drop(gate, "tpr").outcome == PASS
    assert passed <= 9  # P(more than 9 of 60 at 5%) is 0.002
