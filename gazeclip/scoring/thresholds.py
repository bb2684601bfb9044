"""Two thresholds on the LLR and three answers; how sure it is that they keep their rates.

A rate of 1% seen on 120 images is one image, and the next 120 may hold four. A threshold is
therefore placed where the upper confidence bound of its rate stays below the rate that is wanted:
one-sided tolerance limits from order statistics (Wilks 1941, DOI 10.1214/aoms/1177731788), the
same as the bound of Clopper and Pearson 1934, DOI 10.1093/biomet/26.4.404. Nothing is assumed of
the scores but that calibration images are drawn as later ones are. NumPy only.
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
        rate: what was asked for.
        bound: with `CONFIDENCE` the rate is not above it.
        n: images that it rests on.
    """

    threshold: float
    rate: float
    bound: float
    n: int

    @property
    def holds(self) -> bool:
        """Whether the images were enough to show that the rate is kept."""
        return self.bound <= self.rate


def place_fake_limit(real_llr: np.ndarray, rate: float) -> Limit:
    """From which LLR on an image is called fake: false alarms among real images stay below `rate`.

    `real_llr (N,)`, at least one. With too few images for the rate it lies above all of them, and
    `Limit.holds` is False.
    """
    return _place_limit(np.asarray(real_llr, dtype=np.float64), rate)


def place_real_limit(fake_llr: np.ndarray, rate: float) -> Limit:
    """Below which LLR an image is called real: misses among forged images stay below `rate`.

    The mirror image of `place_fake_limit`.
    """
    mirrored = _place_limit(-np.asarray(fake_llr, dtype=np.float64), rate)
    return Limit(-mirrored.threshold, rate, mirrored.bound, mirrored.n)


def _place_limit(scores: np.ndarray, rate: float) -> Limit:
    """The smallest threshold that scores reach at most at this rate, as far as they can tell."""
    n = len(scores)
    passing = count_allowed(n, rate)
    ordered = np.sort(scores)[::-1]
    # Just above the first score that must not pass; what equals it does not pass either.
    threshold = float(np.nextafter(ordered[passing], np.inf))
    passed = int((scores >= threshold).sum())
    return Limit(threshold, rate, bound_rate(passed, n), n)


def count_allowed(n: int, rate: float) -> int:
    """How many of n images may pass so that the bound of their rate is at most `rate`; at least 0.

    Also 0 where even none passing does not show the rate.
    """
    allowed = 0
    while allowed + 1 < n and _binomial_tail(allowed + 1, n, rate) <= 1 - CONFIDENCE:
        allowed += 1
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
    total = 0.0
    for passed in range(most + 1):
        ways = math.lgamma(n + 1) - math.lgamma(passed + 1) - math.lgamma(n - passed + 1)
        total += math.exp(ways + passed * math.log(rate) + (n - passed) * math.log1p(-rate))
    return min(total, 1.0)


def decide(llr: float, fake_from: float, real_below: float) -> str:
    """One of `ANSWERS`.

    Between the thresholds neither claim keeps its rate, or, where they cross (`real_below` above
    `fake_from`), both do: either way the image is inconclusive.
    """
    if llr >= max(fake_from, real_below):
        return FAKE
    return REAL if llr < min(fake_from, real_below) else INCONCLUSIVE


def decide_all(llr: np.ndarray, fake_from: float, real_below: float) -> np.ndarray:
    """`decide` for `(N,)` LLRs."""
    answers = np.full(len(llr), INCONCLUSIVE, dtype=object)
    answers[llr >= max(fake_from, real_below)] = FAKE
    answers[llr < min(fake_from, real_below)] = REAL
    return answers.astype(str)
