"""Two thresholds on the LLR and three answers; how sure it is that they keep their rates.

A rate of 1% seen on 120 images is one image, and the next 120 may hold four. A threshold is
therefore placed where the upper confidence bound of its rate stays below the rate that is wanted:
one-sided tolerance limits from order statistics (Wilks 1941, DOI 10.1214/aoms/1177731788), the
same as the bound of Clopper and Pearson 1934, DOI 10.1093/biomet/26.4.404. Nothing is assumed of
the scores but that calibration images are drawn as later ones are, each by itself: of several
images of one person only one may be given. NumPy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
REAL = "real"
FAKE = "fake"
INCONCLUSIVE = "inconclusive"
ANSWERS = (REAL, FAKE, INCONCLUSIVE)


@dataclass(frozen=True)
class Limit:
    """One threshold and what is known of its rate.

    Attributes:
        threshold: an LLR.
        bound: with `CONFIDENCE` the rate is not above it.
        n: images that it rests on.
    """

    threshold: float
    bound: float
    n: int


def place_fake_limit(real_llr: np.ndarray, rate: float) -> Limit:
    """From which LLR on an image is called fake: false alarms among real images stay below `rate`.

    `real_llr (N,)`, at least one. With too few images for the rate it lies above all of them, and
    `Limit.bound` is above the rate.
    """
    return _place_limit(np.asarray(real_llr, dtype=np.float64), rate)


def place_real_limit(fake_llr: np.ndarray, rate: float) -> Limit:
    """Below which LLR an image is called real: misses among forged images stay below `rate`.

    The mirror image of `place_fake_limit`.
    """
    mirrored = _place_limit(-np.asarray(fake_llr, dtype=np.float64), rate)
    return Limit(-mirrored.threshold, mirrored.bound, mirrored.n)


def _place_limit(scores: np.ndarray, rate: float) -> Limit:
    """The smallest threshold that scores reach at most at this rate, as far as they can tell."""
    n = len(scores)
    passing = count_allowed(n, rate)
    ordered = np.sort(scores)[::-1]
    # Just above the first score that must not pass; what equals it does not pass either.
    threshold = float(np.nextafter(ordered[passing], np.inf))
    passed = int((scores >= threshold).sum())
    return Limit(threshold, bound_rate(passed, n), n)


def count_allowed(n: int, rate: float) -> int:
    """How many of n images may pass so that the bound of their rate is at most `rate`; at least 0.

    Also 0 where even none passing does not show the rate.
    """
    allowed = 0
    tail = _binomial_term(0, n, rate) + _binomial_term(1, n, rate)
    while allowed + 1 < n and tail <= 1 - CONFIDENCE:
        allowed += 1
        tail += _binomial_term(allowed + 1, n, rate)
    return allowed


def count_needed(rate: float) -> int:
    """The fewest images of which none may pass that show this rate with `CONFIDENCE`."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-rate))


def bound_rate(passed: int, n: int, confidence: float = CONFIDENCE) -> float:
    """The upper bound, one-sided, of a rate of which `passed` of n were seen."""
    if passed >= n:
        return 1.0
    low = passed / n
    high = 1.0
    for _ in range(60):  # bisection: the tail falls as the rate grows
        middle = (low + high) / 2
        if _binomial_tail(passed, n, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def rate_interval(passed: int, n: int) -> tuple[float, float] | None:
    """Two-sided 95% interval of Clopper and Pearson for a rate; None of no images."""
    if n == 0:
        return None
    one_sided = (1 + CONFIDENCE) / 2
    return (1.0 - bound_rate(n - passed, n, one_sided), bound_rate(passed, n, one_sided))


def _binomial_tail(most: int, n: int, rate: float) -> float:
    """Probability that at most `most` of n pass at this rate."""
    if rate <= 0.0:
        return 1.0
    if rate >= 1.0:
        return 1.0 if most >= n else 0.0
    return min(sum(_binomial_term(passed, n, rate) for passed in range(most + 1)), 1.0)


def _binomial_term(passed: int, n: int, rate: float) -> float:
    """Probability that exactly `passed` of n pass."""
    ways = math.lgamma(n + 1) - math.lgamma(passed + 1) - math.lgamma(n - passed + 1)
    return math.exp(ways + passed * math.log(rate) + (n - passed) * math.log1p(-rate))


def order_limits(fake_limit: float, real_limit: float) -> tuple[float, float]:
    """`(fake_from, real_below)` of the two thresholds, the second not above the first.

    Between them neither claim keeps its rate, or, where they cross, both do: either way an image is
    inconclusive there.
    """
    return max(fake_limit, real_limit), min(fake_limit, real_limit)


def decide(llr: float, fake_from: float, real_below: float) -> str:
    """One of `ANSWERS`; `real_below` is not above `fake_from`."""
    if llr >= fake_from:
        return FAKE
    return REAL if llr < real_below else INCONCLUSIVE


def decide_all(llr: np.ndarray, fake_from: float, real_below: float) -> np.ndarray:
    """`decide` for `(N,)` LLRs."""
    answers = np.full(len(llr), INCONCLUSIVE, dtype=object)
    answers[llr < real_below] = REAL
    answers[llr >= fake_from] = FAKE
    return answers.astype(str)
