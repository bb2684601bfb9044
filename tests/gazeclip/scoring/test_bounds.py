"""Bounds of paired losses against their definition, and how often they are wrong."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest

from gazeclip.scoring.bounds import CONFIDENCE, bound_paired_loss, bound_unseen, count_unseen


@pytest.mark.parametrize("limit", [0.01, 0.03, 0.1])
def test_a_loss_as_large_as_the_limit_passes_in_one_of_twenty(limit: float) -> None:
    """Exactly: every number of losses with its binomial probability, for many sizes."""
    worst = 0.0
    for n in range(30, 600, 7):
        passing = 0.0
        for lost in range(n + 1):
            if bound_paired_loss(lost, 0, n)[1] > limit:
                break
            passing += comb(n, lost) * limit**lost * (1 - limit) ** (n - lost)
        worst = max(worst, passing)
    assert worst <= 0.065


def test_gains_are_counted_against_losses() -> None:
    """Of many data sets in which five are lost and two gained of a hundred."""
    draws = np.random.default_rng(0).multinomial(282, [0.05, 0.02, 0.93], 2000)
    bounds = np.array([bound_paired_loss(lost, gained, 282) for lost, gained, _ in draws])
    # The true difference is 0.03; either bound is on its wrong side in about one of twenty.
    assert np.mean(bounds[:, 1] < 0.03) == pytest.approx(1 - CONFIDENCE, abs=0.02)
    assert np.mean(bounds[:, 0] > 0.03) == pytest.approx(1 - CONFIDENCE, abs=0.02)


@pytest.mark.parametrize(("lost", "n"), [(3, 120), (20, 120), (60, 120)])
def test_without_gains_the_upper_bound_is_about_that_of_wilson(lost: int, n: int) -> None:
    wilson = binomtest(lost, n).proportion_ci(2 * CONFIDENCE - 1, "wilson")
    assert bound_paired_loss(lost, 0, n)[1] == pytest.approx(wilson.high, abs=1e-6)


def test_nothing_lost_is_bounded_by_the_rule_of_three() -> None:
    assert bound_paired_loss(0, 0, 100)[1] == bound_unseen(100) == pytest.approx(0.0295, abs=1e-4)
    assert count_unseen(bound_unseen(100)) == pytest.approx(100)
    assert count_unseen(0.0) == np.inf and count_unseen(1.0) == 1.0
