"""Figures of weighted draws against scikit-learn, and against the plain figures of drawn rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gazeclip.scoring.cllr import cllr
from gazeclip.scoring.metrics import bootstrap_counts, macro_accuracy
from gazeclip.scoring.weighted import (
    draw_in_chunks,
    weigh_auc,
    weigh_cllr,
    weigh_macro_accuracy,
    weigh_mean,
)

N = 60


@pytest.fixture
def counts() -> np.ndarray:
    """Draws `(20, N)` in which rows of one cluster come together."""
    return np.stack(list(bootstrap_counts(N, 20, 3, np.arange(N) // 2))).astype(float)


def test_auc_is_that_of_scikit_learn_with_ties(counts: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(N) < 0.5
    score = np.round(rng.normal(size=N) + positive, 1)  # rounded, so that many are equal
    found = weigh_auc(score, positive, counts)
    wanted = [roc_auc_score(positive, score, sample_weight=row) for row in counts]
    assert np.allclose(found, wanted, atol=1e-12)


def test_every_figure_is_that_of_the_rows_drawn(counts: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 4, N)
    named = np.where(rng.random(N) < 0.7, targets, rng.integers(0, 4, N))
    llr = rng.normal(size=N) + (targets != 0)
    macro = weigh_macro_accuracy(targets, named == targets, counts)
    costs = weigh_cllr(llr, targets != 0, counts)
    means = weigh_mean(llr, counts)
    for row, weights in enumerate(counts.astype(int)):
        pick = np.repeat(np.arange(N), weights)
        assert macro[row] == pytest.approx(macro_accuracy(targets[pick], named[pick]))
        assert costs[row] == pytest.approx(cllr(llr[pick], targets[pick] != 0))
        assert means[row] == pytest.approx(llr[pick].mean())


def test_draws_without_a_kind_have_no_figure() -> None:
    positive = np.array([True, False])
    weights = np.array([[1.0, 0.0], [1.0, 1.0]])
    found = weigh_auc(np.array([1.0, 0.0]), positive, weights)
    assert np.isnan(found[0]) and found[1] == 1.0
    assert np.isnan(weigh_cllr(np.array([1.0, 0.0]), positive, weights)[0])


def test_chunks_change_nothing(counts: np.ndarray) -> None:
    values = np.arange(N, dtype=float)
    whole = weigh_mean(values, counts)
    assert np.allclose(draw_in_chunks(lambda w: weigh_mean(values, w), counts, chunk=7), whole)
