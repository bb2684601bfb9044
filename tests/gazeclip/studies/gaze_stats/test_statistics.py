"""The statistics against naive references, and the tests' error rates."""

from __future__ import annotations

import numpy as np
import pytest

from gazeclip.studies.gaze_stats import statistics
from tests.gazeclip.studies.gaze_stats.manifests import (
    draw,
    energy_distance,
)


def test_energy_distance_is_the_double_loop() -> None:
    x, y = draw(0).normal(size=(9, 2)), draw(1).normal(0.5, 2.0, size=(6, 2))

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        return sum(float(np.hypot(*(p - q))) for p in a for q in b) / (len(a) * len(b))

    expected = 2 * mean(x, y) - mean(x, x) - mean(y, y)
    assert energy_distance(x, y) == pytest.approx(expected, rel=1e-12)
    assert energy_distance(x, x) == pytest.approx(0.0, abs=1e-15)
    # the permutation tests sum the same pairs by another route
    assert statistics.energy_test(x, y, 5, draw(2)).statistic == pytest.approx(expected, rel=1e-12)
    assert statistics.paired_energy_test(x[:6], y, 5, draw(2)).statistic == pytest.approx(
        energy_distance(x[:6], y), rel=1e-12
    )
    centred = energy_distance(x - x.mean(axis=0), y - y.mean(axis=0))
    assert statistics.centred_energy_test(x, y, 5, draw(2)).statistic == pytest.approx(
        centred, rel=1e-12
    )


def test_energy_distance_in_one_dimension_is_scipys_squared() -> None:
    reference = pytest.importorskip("scipy.stats").energy_distance
    x, y = draw(3).normal(size=40), draw(4).exponential(size=31)
    assert energy_distance(x[:, None], y[:, None]) == pytest.approx(reference(x, y) ** 2, rel=1e-9)


def test_spread_statistic_is_scipys_brown_forsythe() -> None:
    reference = pytest.importorskip("scipy.stats").levene
    x, y = draw(5).normal(size=41), draw(6).normal(3.0, 2.0, size=30)
    outcome = statistics.spread_test(x, y, 999, draw(7))
    assert outcome.statistic == pytest.approx(reference(x, y, center="median").statistic, rel=1e-9)


@pytest.mark.parametrize(
    "test", [statistics.energy_test, statistics.centred_energy_test, statistics.paired_energy_test]
)
def test_energy_p_values_are_uniform_where_nothing_differs(test) -> None:  # type: ignore[no-untyped-def]
    p = [
        test(draw(100 + k).normal(size=(24, 2)), draw(900 + k).normal(size=(24, 2)), 99, draw(k)).p
        for k in range(120)
    ]
    check_uniform(np.array(p))


@pytest.mark.parametrize("test", [statistics.spread_test, statistics.paired_spread_test])
def test_spread_p_values_are_uniform_where_only_the_mean_differs(test) -> None:  # type: ignore[no-untyped-def]
    p = [
        test(draw(100 + k).normal(size=30), draw(900 + k).normal(5.0, 1.0, size=30), 99, draw(k)).p
        for k in range(200)
    ]
    check_uniform(np.array(p))


def check_uniform(p: np.ndarray) -> None:
    # Wide enough for the fixed seeds' chance (4 standard errors), narrow enough for a test that is
    # twice too eager.
    for level in (0.1, 0.25, 0.5, 0.75):
        assert abs((p <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / len(p)), level
    assert p.min() >= 1 / 100


def test_clear_differences_are_found_and_p_is_never_zero() -> None:
    x, y = draw(0).normal(size=(60, 2)), draw(1).normal(0, 2.0, size=(60, 2))
    shifted = draw(2).normal(2.0, 1.0, size=(60, 2))
    least = pytest.approx(1 / 200)
    assert statistics.energy_test(x, shifted, 199, draw(3)).p == least
    assert statistics.centred_energy_test(x, y, 199, draw(3)).p == least
    assert statistics.spread_test(x[:, 0], y[:, 0], 199, draw(3)).p == least
    assert statistics.paired_spread_test(x[:, 0], y[:, 0], 199, draw(3)).p == least
    assert (
        statistics.centred_energy_test(x, shifted, 199, draw(3)).p > 0.05
    )  # a shift of the mean is no spread


def test_spread_test_does_not_feel_a_shift() -> None:
    x, y = draw(0).normal(size=50), draw(1).normal(0, 1.3, size=40)
    here, there = (statistics.spread_test(x, y + shift, 199, draw(2)) for shift in (0.0, 8.0))
    assert there.p == here.p and there.statistic == pytest.approx(here.statistic, rel=1e-9)


def test_holm_by_hand() -> None:
    assert statistics.correct_holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx(
        [0.04, 0.09, 0.09, 0.5]
    )
    assert statistics.correct_holm([0.9, 0.8]) == [1.0, 1.0]
    assert statistics.correct_holm([]) == []


def test_robust_std_is_a_normal_distributions_own() -> None:
    values = np.append(draw(0).normal(0, 0.3, 20000), np.full(200, 50.0))
    assert statistics.robust_std(values) == pytest.approx(0.3, rel=0.03)
    assert values.std() > 1


def test_bootstrap_over_people_is_wider_when_their_pictures_agree() -> None:
    people = np.repeat(np.arange(20), 10)
    values = draw(0).normal(size=20)[people]  # ten equal pictures of each
    grouped = statistics.cluster_stds(values, people, 500, draw(1))
    single = statistics.cluster_stds(values, np.arange(200), 500, draw(1))
    assert grouped.std() > 2 * single.std()
    reference = [values[draw(k).integers(0, 200, 200)].std() for k in range(500)]
    assert single.mean() == pytest.approx(
        np.mean(reference), rel=0.02
    ) and single.std() == pytest.approx(np.std(reference), rel=0.2)
    means = statistics.cluster_means(values, people, 500, draw(1))
    assert means.mean() == pytest.approx(values.mean(), abs=0.05)


def test_one_per_cluster() -> None:
    clusters = np.array(["a", "b", "a", "c", "a", "b"])
    chosen = statistics.one_per_cluster(clusters, draw(0))
    assert sorted(clusters[chosen]) == ["a", "b", "c"]
    assert {tuple(statistics.one_per_cluster(clusters, draw(k)).tolist()) for k in range(40)} > {
        tuple(chosen.tolist())
    }
