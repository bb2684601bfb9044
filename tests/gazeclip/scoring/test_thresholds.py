"""Thresholds keep their rates: bounds against SciPy, promises against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, binom

from gazeclip.scoring.thresholds import (
    bound_rate,
    count_allowed,
    count_needed,
    decide,
    decide_all,
    order_limits,
    place_fake_limit,
    place_real_limit,
    rate_interval,
)


@pytest.mark.parametrize(("passed", "n"), [(0, 1), (0, 120), (3, 100), (7, 1000), (99, 100)])
def test_bounds_are_those_of_clopper_and_pearson(passed: int, n: int) -> None:
    assert bound_rate(passed, n) == pytest.approx(beta.ppf(0.95, passed + 1, n - passed))
    low, high = rate_interval(passed, n)
    assert high == pytest.approx(beta.ppf(0.975, passed + 1, n - passed))
    wanted = beta.ppf(0.025, passed, n - passed + 1) if passed else 0.0
    assert low == pytest.approx(wanted, abs=1e-12)


def test_all_or_none() -> None:
    assert bound_rate(5, 5) == 1.0 and bound_rate(0, 0) == 1.0
    assert rate_interval(0, 0) is None
    assert rate_interval(5, 5)[1] == 1.0


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.05])
def test_as_many_pass_as_the_binomial_allows(rate: float) -> None:
    for n in (10, 299, 1000, 3000):
        allowed = count_allowed(n, rate)
        if allowed:
            assert binom.cdf(allowed, n, rate) <= 0.05
        assert binom.cdf(allowed + 1, n, rate) > 0.05
    needed = count_needed(rate)
    assert binom.cdf(0, needed, rate) <= 0.05 < binom.cdf(0, needed - 1, rate)


def test_the_promise_is_kept_in_19_of_20_calibrations_and_a_plain_quantile_breaks_it() -> None:
    rng = np.random.default_rng(0)
    # Uniform scores: the true rate beyond a threshold t is 1 - t.
    limits = [place_fake_limit(rng.random(1000), 0.01) for _ in range(2000)]
    assert all(limit.bound <= 0.01 for limit in limits)
    kept = np.mean([1 - limit.threshold <= 0.01 for limit in limits])
    assert 0.945 < kept < 0.995
    plain = np.mean([1 - np.quantile(rng.random(1000), 0.99) <= 0.01 for _ in range(2000)])
    assert plain < 0.65


def test_misses_are_the_mirror_image() -> None:
    fake = np.random.default_rng(1).normal(size=400)
    limit = place_real_limit(fake, 0.05)
    missed = int((fake < limit.threshold).sum())
    assert limit.bound == pytest.approx(bound_rate(missed, 400)) and limit.bound <= 0.05
    assert missed == count_allowed(400, 0.05) > 0
    assert place_real_limit(fake[:20], 0.05).bound > 0.05
    assert (fake[:20] < place_real_limit(fake[:20], 0.05).threshold).sum() == 0


def test_equal_scores_never_pass_together_by_chance() -> None:
    limit = place_fake_limit(np.zeros(1000), 0.01)
    assert limit.threshold > 0.0 and limit.bound == pytest.approx(1 - 0.05 ** (1 / 1000))


def test_three_answers_and_a_band_that_may_cross() -> None:
    llr = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    for limits in ((1.0, -1.0), (-1.0, 1.0)):
        fake_from, real_below = order_limits(*limits)
        wanted = ["real", "inconclusive", "inconclusive", "fake", "fake"]
        assert decide_all(llr, fake_from, real_below).tolist() == wanted
        assert [decide(value, fake_from, real_below) for value in llr] == wanted
    assert decide_all(llr, 0.0, 0.0).tolist() == ["real", "real", "fake", "fake", "fake"]
