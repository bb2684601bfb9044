"""Figures and paired intervals against scikit-learn and draws that are spelled out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from gazeclip.scoring.metrics import tpr_at_fpr
from gazeclip.studies.ablation.differences import Draws
from gazeclip.studies.parts import rates
from gazeclip.studies.parts.figures import (
    Answers,
    Faces,
    compare_with_whole,
    compute_figures,
    name_answers,
)
from gazeclip.taxonomy import Taxonomy

TAXONOMY = Taxonomy.load("demo")
CLASSES = TAXONOMY.classes()
ROUNDS = 40
LABELS = ("real",) * 30 + ("swap_poisson",) * 24 + (CLASSES[-1],) * 16
PERSONS = np.array([f"p{number // 2:02d}" for number in range(len(LABELS))])
FACES = Faces(np.array(LABELS) != "real", LABELS, PERSONS, "class")


def answer(seed: int, several: int) -> Answers:
    """Made-up answers, better than chance; scores are coarse, so that some are equal."""
    rng = np.random.default_rng(seed)
    score = rng.normal(FACES.is_fake * 1.5, 1.0, (several, len(LABELS))).round(1)
    true = np.array([CLASSES.index(label) for label in LABELS])
    logits = rng.normal(0, 1, (several, len(LABELS), len(CLASSES)))
    logits[:, np.arange(len(LABELS)), true] += 1.5
    return name_answers(score, logits, FACES, TAXONOMY, CLASSES)


def find_tpr(fake: np.ndarray, score: np.ndarray) -> float:
    """By the definition: the best of all thresholds that at most 1% of the reals pass."""
    found = [0.0]
    for threshold in np.unique(score):
        if (score[~fake] >= threshold).mean() <= 0.01:
            found.append(float((score[fake] >= threshold).mean()))
    return max(found)


def compute_by_hand(answers: Answers, rows: np.ndarray) -> dict[str, float]:
    fake = FACES.is_fake[rows]
    true = np.array(LABELS)[rows]
    named = np.array(CLASSES)[answers.logits.argmax(2)][:, rows]
    scores = answers.fake_logit[:, rows]
    return {
        "auc": float(np.mean([roc_auc_score(fake, score) for score in scores])),
        "tpr": float(np.mean([find_tpr(fake, score) for score in scores])),
        "accuracy": float(np.mean([(one == true).mean() for one in named])),
        "macro_accuracy": float(np.mean([balanced_accuracy_score(true, one) for one in named])),
    }


@pytest.mark.parametrize("several", [1, 3])
def test_figures_and_their_paired_intervals(several: int) -> None:
    mine = answer(1, several)
    whole = answer(0, 1)
    everyone = np.arange(len(LABELS))
    assert compute_figures(mine, FACES) == pytest.approx(compute_by_hand(mine, everyone))
    found = compare_with_whole(mine, whole, FACES, ROUNDS)
    names = np.unique(PERSONS)
    rng = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {figure: [] for figure in found}
    for _ in range(ROUNDS):
        picked = names[rng.integers(0, len(names), len(names))]
        rows = np.concatenate([np.flatnonzero(name == PERSONS) for name in picked])
        with_part = compute_by_hand(whole, rows)
        without = compute_by_hand(mine, rows)
        for figure, values in drawn.items():
            values.append(without[figure] - with_part[figure])
    with_part = compute_by_hand(whole, everyone)
    without = compute_by_hand(mine, everyone)
    for figure, values in drawn.items():
        difference = found[figure]
        assert difference is not None
        assert difference["mean"] == pytest.approx(without[figure] - with_part[figure], abs=1e-6)
        # The pairs of the AUC are counted in float32.
        expected = [np.quantile(values, 0.025), np.quantile(values, 0.975)]
        assert difference["interval"] == pytest.approx(expected, abs=1e-6)
        assert difference["interval"][0] < difference["interval"][1]


def test_a_weighted_rate_is_the_rate_of_repeated_faces() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        fake = rng.random(60) < 0.5
        score = rng.normal(fake, 1.0).round(1)
        weights = rng.integers(0, 4, 60)
        rows = np.repeat(np.arange(60), weights)
        expected = tpr_at_fpr(fake[rows], score[rows], 0.01)
        assert rates.RankedScores(fake, score).find_tpr(weights) == pytest.approx(expected)
    only_real = rates.RankedScores(np.zeros(4, dtype=bool), np.arange(4.0))
    assert only_real.find_tpr(np.ones(4, dtype=np.int64)) is None


def test_what_is_not_defined_is_none() -> None:
    draws = Draws(None, ROUNDS)
    score = np.arange(4.0)[None]
    assert rates.tpr_difference(np.ones(4, dtype=bool), score, score, draws) is None
    assert rates.tpr_difference(np.zeros(0, dtype=bool), score[:, :0], score[:, :0], draws) is None
    faces = Faces(np.ones(70, dtype=bool), LABELS, PERSONS, "class")
    figures = compute_figures(answer(0, 1), faces)
    assert figures["auc"] is None
    assert figures["tpr"] is None
    assert figures["accuracy"] is not None


def test_equal_outputs_are_told_from_almost_equal_ones() -> None:
    whole = answer(0, 1)
    assert answer(0, 1).equals(whole)
    other = answer(0, 1)
    other.logits[0, 3, 2] = np.nextafter(other.logits[0, 3, 2], np.inf)
    assert not other.equals(whole)
    assert not answer(0, 2).equals(whole)
