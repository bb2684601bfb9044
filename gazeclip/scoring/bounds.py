"""How large a loss may be that was seen on few images: bounds of paired rates. NumPy-free.

Each bound holds with the confidence asked for by itself.
"""

from __future__ import annotations

import math
from statistics import NormalDist

CONFIDENCE = 0.95
_STEPS = 60  # of a bisection


def bound_paired_loss(
    lost: float, gained: float, n: float, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Lower and upper bound of the difference of two rates on the same n images.

    `lost` of them had it before and not after, `gained` the other way round; both and n may be
    fractions, where images of one person count as one. The score interval of Tango 1998, DOI
    10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B, and never below what
    `bound_unseen` allows, as a score interval is a little short where nothing was lost.
    """
    z = NormalDist().inv_cdf(confidence)
    seen = (lost - gained) / n
    upper = _find_root(lost, gained, n, -z, seen, 1.0)
    lower = _find_root(lost, gained, n, z, -1.0, seen)
    return lower, max(upper, bound_unseen(n, confidence))


def bound_unseen(n: float, confidence: float = CONFIDENCE) -> float:
    """The rate of what was seen on none of n images: 3 / n, roughly.

    The rule of three, Hanley and Lippman-Hand 1983, DOI 10.1001/jama.1983.03330370053031.
    """
    return 1.0 - (1.0 - confidence) ** (1.0 / n)


def count_unseen(rate: float, confidence: float = CONFIDENCE) -> float:
    """The inverse: how many images bound an unseen rate by `rate`; infinite for 0."""
    if rate <= 0.0:
        return math.inf
    return 1.0 if rate >= 1.0 else math.log(1.0 - confidence) / math.log(1.0 - rate)


def _find_root(
    lost: float, gained: float, n: float, wanted: float, low: float, high: float
) -> float:
    """The difference at which the score statistic, which falls with it, is as wanted."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _measure_score(lost, gained, n, middle) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _measure_score(lost: float, gained: float, n: float, difference: float) -> float:
    """Tango's statistic of a supposed difference, standard normal if that is true."""
    # The likeliest rate of gains under the supposed difference solves a x^2 + b x + c = 0.
    b = -lost - gained + (2 * n - lost + gained) * difference
    c = -gained * difference * (1 - difference)
    rate = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * rate + difference * (1 - difference))
    distance = lost - gained - n * difference
    if variance <= 0.0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)
