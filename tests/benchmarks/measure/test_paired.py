"""Differences of two subjects against naive sums over pairs, and resampling by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.measure.paired import (
    compare_aucs,
    place_scores,
    resample_difference,
    resample_shares,
)
from gazeclip.scoring.metrics import bootstrap_counts, roc_auc


def draw_scores(seed: int, n: int = 60, ties: bool = True) -> tuple[np.ndarray, ...]:
    """Truth `(N,)` and two scores that agree in part."""
    rng = np.random.default_rng(seed)
    fake = rng.random(n) < 0.6
    shared = rng.normal(0, 1, n) + 0.8 * fake
    a = shared + rng.normal(0, 0.7, n)
    b = shared + rng.normal(0, 0.4, n)
    return (fake, a.round(1), b.round(1)) if ties else (fake, a, b)


def compare_naively(fake: np.ndarray, scores: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """AUCs `(2,)` and their covariance `(2, 2)` by DeLong's own sums over all pairs of images."""
    positive = np.flatnonzero(fake)
    negative = np.flatnonzero(~fake)
    wins = np.zeros((2, len(positive), len(negative)))
    for k, score in enumerate(scores):
        for i, p in enumerate(positive):
            for j, q in enumerate(negative):
                wins[k, i, j] = 1.0 if score[p] > score[q] else 0.5 if score[p] == score[q] else 0.0
    aucs = wins.mean(axis=(1, 2))
    s10 = np.zeros((2, 2))
    s01 = np.zeros((2, 2))
    of_positive = wins.mean(axis=2)
    of_negative = wins.mean(axis=1)
    for r in range(2):
        for s in range(2):
            for i in range(len(positive)):
                s10[r, s] += (of_positive[r, i] - aucs[r]) * (of_positive[s, i] - aucs[s])
            for j in range(len(negative)):
                s01[r, s] += (of_negative[r, j] - aucs[r]) * (of_negative[s, j] - aucs[s])
    s10 /= len(positive) - 1
    s01 /= len(negative) - 1
    return aucs, s10 / len(positive) + s01 / len(negative)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ties", [True, False])
def test_delong_is_the_sum_over_all_pairs(seed: int, ties: bool) -> None:
    fake, a, b = draw_scores(seed, ties=ties)
    found = compare_aucs(fake, a, b)
    assert found is not None
    aucs, covariance = compare_naively(fake, [a, b])
    # Sums in another order: equal up to rounding.
    assert (found.auc_a, found.auc_b) == pytest.approx(tuple(aucs), abs=1e-12)
    assert found.auc_a == pytest.approx(roc_auc(fake, a), abs=1e-12)
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    low, high = found.interval
    assert high - low == pytest.approx(2 * 1.959964 * error, rel=1e-6)  # digits of the constant
    assert (low + high) / 2 == pytest.approx(aucs[1] - aucs[0], abs=1e-12)
    z = abs(aucs[1] - aucs[0]) / error
    assert found.p == pytest.approx(1 - math.erf(z / math.sqrt(2)), abs=1e-9)


def test_delong_keeps_its_level() -> None:
    """Where both scores are equally good, about one p in twenty is below 0.05."""
    below = 0
    rounds = 400
    for seed in range(rounds):
        rng = np.random.default_rng(seed)
        fake = np.arange(120) < 60
        shared = rng.normal(0, 1, 120) + fake
        found = compare_aucs(fake, shared + rng.normal(0, 1, 120), shared + rng.normal(0, 1, 120))
        assert found is not None
        below += found.p < 0.05
    # Four standard deviations of a binomial of 400 draws at 5% are 17.
    assert abs(below - 0.05 * rounds) < 17


def test_equal_scores_differ_by_nothing() -> None:
    fake, a, _ = draw_scores(0)
    found = compare_aucs(fake, a, 3.0 * a - 1.0)  # the same order
    assert found is not None
    assert (found.difference, found.interval, found.p) == (0.0, (0.0, 0.0), 1.0)
    assert resample_difference(fake, a, a, rounds=50) == (0.0, 0.0)


def test_a_difference_without_spread_is_sure() -> None:
    fake = np.array([True, True, False, False])
    found = compare_aucs(fake, -fake.astype(float), fake.astype(float))
    assert found is not None and found.difference == 1.0 and found.p == 0.0


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_have_no_test(count: int) -> None:
    fake = np.arange(10) < count
    assert compare_aucs(fake, np.arange(10.0), np.arange(10.0)) is None


def test_placement_values_have_the_auc_as_mean() -> None:
    fake, a, _ = draw_scores(3)
    below, above = place_scores(fake, a)
    assert below.mean() == pytest.approx(roc_auc(fake, a), abs=1e-12)
    assert above.mean() == pytest.approx(roc_auc(fake, a), abs=1e-12)


@pytest.mark.parametrize("clustered", [True, False])
def test_differences_are_resampled_as_if_written_out(clustered: bool) -> None:
    fake, a, b = draw_scores(5)
    clusters = np.arange(len(fake)) // 4 if clustered else None
    by_hand = []
    for counts in bootstrap_counts(len(fake), 300, 1, clusters):
        pick = np.repeat(np.arange(len(fake)), counts)
        first, second = (roc_auc(fake[pick], score[pick]) for score in (a, b))
        assert first is not None and second is not None
        by_hand.append(second - first)
    found = resample_difference(fake, a, b, clusters, rounds=300, seed=1)
    assert found == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])), abs=1e-12)


def test_draws_without_a_kind_are_left_out() -> None:
    fake = np.array([True, False])
    assert resample_difference(fake, np.arange(2.0), np.arange(2.0)[::-1], rounds=50) == (1.0, 1.0)
    assert resample_difference(fake[:1], np.ones(1), np.ones(1), rounds=5) is None


def test_pairing_narrows_the_interval() -> None:
    """Two scores that share most of their noise differ by less than two that share none."""
    rng = np.random.default_rng(0)
    fake = np.arange(300) < 150
    noise = rng.normal(0, 1, (3, 300))
    base = noise[0] + fake
    alike = resample_difference(fake, base, base + 0.1 * noise[1], rounds=300)
    apart = resample_difference(fake, base, noise[2] + fake, rounds=300)
    assert alike is not None and apart is not None
    assert 3 * (alike[1] - alike[0]) < apart[1] - apart[0]


def test_shares_are_resampled_over_the_rows_asked_for() -> None:
    rows = np.array([True] * 40 + [False] * 40)
    worse = np.where(np.arange(80) < 10, -1.0, 0.0)
    worse[40:] = 5.0  # other rows, which must not be seen
    same = np.zeros(80)
    first, second = (one for one in resample_shares(rows, [worse, same], rounds=400, seed=2))
    assert second == (0.0, 0.0)
    assert first is not None and first[0] < -0.25 < first[1] < 0.0  # a quarter became worse
    by_hand = []
    for counts in bootstrap_counts(80, 400, 2):
        pick = np.repeat(np.arange(80), counts)
        by_hand.append(worse[pick][rows[pick]].mean())
    expected = np.quantile(by_hand, [0.025, 0.975])
    assert first == pytest.approx(tuple(expected), abs=1e-12)


def test_no_rows_have_no_interval() -> None:
    assert resample_shares(np.zeros(5, dtype=bool), [np.ones(5)], rounds=10) == [None]
