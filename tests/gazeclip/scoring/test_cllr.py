"""Cllr, its minimum and the balanced ECE against scikit-learn and plain counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss

from gazeclip.scoring.cllr import balanced_ece, cllr, fit_isotonic, min_cllr


def draw(n: int = 300, seed: int = 0, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.2
    llr = rng.normal(size=n) * 2 + np.where(positive, 1.5, -1.5)
    return (np.round(llr) if ties else llr), positive


def balance(positive: np.ndarray) -> np.ndarray:
    return np.where(positive, 0.5 / positive.sum(), 0.5 / (~positive).sum())


def test_cllr_is_the_balanced_log_loss_in_bits() -> None:
    llr, positive = draw()
    p = 1 / (1 + np.exp(-llr))
    wanted = log_loss(positive, p, sample_weight=balance(positive)) / math.log(2)
    assert cllr(llr, positive) == pytest.approx(wanted)
    assert cllr(np.zeros(300), positive) == pytest.approx(1.0)  # no evidence
    assert cllr(-llr, positive) > 1.0  # misleading
    assert cllr(llr[positive], positive[positive]) is None
    assert math.isfinite(cllr(np.array([2000.0, -2000.0]), np.array([True, False])))


@pytest.mark.parametrize("ties", [False, True])
def test_min_cllr_is_that_of_isotonic_regression(ties: bool) -> None:
    llr, positive = draw(ties=ties)
    weight = balance(positive)
    share = IsotonicRegression(y_min=0, y_max=1).fit(llr, positive, weight).predict(llr)
    wanted = log_loss(positive, share, sample_weight=weight) / math.log(2)
    assert min_cllr(llr, positive) == pytest.approx(wanted, abs=1e-6)
    assert min_cllr(3 * llr + 7, positive) == pytest.approx(wanted, abs=1e-6)
    assert min_cllr(llr, positive) <= cllr(llr, positive)
    assert min_cllr(np.where(positive, 1.0, 0.0), positive) == 0.0
    assert min_cllr(llr, np.ones(300, bool)) is None


def test_isotonic_regression_pools_weighted_violators() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=80)
    weights = rng.random(80) + 0.1
    model = IsotonicRegression().fit(np.arange(80), values, weights)
    np.testing.assert_allclose(fit_isotonic(values, weights), model.predict(np.arange(80)))


def test_balanced_ece_counts_kinds_alike() -> None:
    llr, positive = draw(4000)
    p = 1 / (1 + np.exp(-llr))
    weight = balance(positive)
    gaps = 0.0
    for low in range(15):
        inside = (p >= low / 15) & ((p < (low + 1) / 15) | (low == 14))
        gaps += abs((weight * (positive - p))[inside].sum())
    assert balanced_ece(positive, p) == pytest.approx(gaps)
    # Repeating the reals changes nothing: the share of a kind has no say.
    again = np.append(np.flatnonzero(positive), np.tile(np.flatnonzero(~positive), 3))
    assert balanced_ece(positive[again], p[again]) == pytest.approx(gaps)
    assert balanced_ece(positive[positive], p[positive]) is None
