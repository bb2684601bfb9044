"""What log-likelihood ratios cost: Cllr, the part of it that calibration could mend, and the ECE.

After Brümmer and du Preez 2006, DOI 10.1016/j.csl.2005.08.001. NumPy only.
"""

from __future__ import annotations

import numpy as np


def balanced_ece(positive: np.ndarray, probability: np.ndarray, bins: int = 15) -> float | None:
    """Expected calibration error of `P(positive)` at a prior of one half, over equal-width bins.

    Guo et al. 2017, arXiv:1706.04599, with both classes weighed alike. None if a class is missing.
    """
    positive = np.asarray(positive, dtype=bool)
    probability = np.asarray(probability, dtype=np.float64)
    if positive.all() or not positive.any():
        return None
    weight = np.where(positive, 0.5 / positive.sum(), 0.5 / (~positive).sum())
    place = np.minimum((probability * bins).astype(int), bins - 1)
    # Per bin: the weight of its positives less what was said of all in it.
    gaps = np.bincount(place, weight * (positive - probability), minlength=bins)
    return float(np.abs(gaps).sum())


def cllr(llr: np.ndarray, positive: np.ndarray) -> float | None:
    """Cost of log-likelihood ratios `(N,)` (natural logarithm) in bits, both classes alike.

    0 is perfect, 1 what "no evidence" costs, more is misleading. Brümmer and du Preez 2006, DOI
    10.1016/j.csl.2005.08.001. None if a class is missing.
    """
    positive = np.asarray(positive, dtype=bool)
    if positive.all() or not positive.any():
        return None
    llr = np.asarray(llr, dtype=np.float64)
    missed = np.logaddexp(0.0, -llr[positive]).mean()
    alarmed = np.logaddexp(0.0, llr[~positive]).mean()
    return float((missed + alarmed) / (2.0 * np.log(2.0)))


def min_cllr(score: np.ndarray, positive: np.ndarray) -> float | None:
    """`cllr` after the best monotone map of the scores `(N,)`: what calibration cannot mend.

    The map is isotonic regression (pool adjacent violators). None if a class is missing.
    """
    positive = np.asarray(positive, dtype=bool)
    if positive.all() or not positive.any():
        return None
    values, place = np.unique(np.asarray(score, dtype=np.float64), return_inverse=True)
    weight = np.where(positive, 0.5 / positive.sum(), 0.5 / (~positive).sum())
    total = np.bincount(place, weight, minlength=len(values))
    hits = np.bincount(place, weight * positive, minlength=len(values))
    share = fit_isotonic(hits / total, total)[place]
    with np.errstate(divide="ignore"):
        return cllr(np.log(share) - np.log1p(-share), positive)


def fit_isotonic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The nearest sequence that never falls, by weighted squares: pool adjacent violators.

    `values (N,)`, `weights (N,)` above 0; returns `(N,)`.
    """
    means: list[float] = []
    masses: list[float] = []
    counts: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        means.append(value)
        masses.append(weight)
        counts.append(1)
        # A block that is not above the one before it joins it.
        while len(means) > 1 and means[-1] <= means[-2]:
            mass = masses[-1] + masses[-2]
            means[-2] = (means[-1] * masses[-1] + means[-2] * masses[-2]) / mass
            masses[-2] = mass
            counts[-2] += counts[-1]
            del means[-1], masses[-1], counts[-1]
    return np.repeat(means, counts)
