"""How much two subjects differ on the same images: paired, so that what both find hard cancels.

AUC by DeLong, DeLong and Clarke-Pearson 1988, DOI 10.2307/2531595, computed from mid-ranks as in
Sun and Xu 2014, DOI 10.1109/LSP.2014.2337313; everything by resampling persons (without identities:
images). NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gazeclip.scoring.metrics import bootstrap_counts, percentile_interval
from gazeclip.scoring.weighted import stack_in_chunks, weigh_auc, weigh_mean

Z95 = 1.959963984540054  # of the normal distribution, two-sided 95%


@dataclass(frozen=True)
class DelongTest:
    """AUC of `b` less that of `a`: its 95% interval, and the p-value of there being none."""

    auc_a: float
    auc_b: float
    interval: tuple[float, float]
    p: float

    @property
    def difference(self) -> float:
        """Positive where `b` is better."""
        return self.auc_b - self.auc_a


def compare_aucs(fake: np.ndarray, a: np.ndarray, b: np.ndarray) -> DelongTest | None:
    """DeLong's test on scores `(N,)` of the same images; None with fewer than two of a class.

    It takes every image as drawn by itself; several of one person make it too sure.
    """
    fake = np.asarray(fake, dtype=bool)
    m = int(fake.sum())
    n = len(fake) - m
    if m < 2 or n < 2:
        return None
    of_fake_a, of_real_a = place_scores(fake, a)
    of_fake_b, of_real_b = place_scores(fake, b)
    auc_a = float(of_fake_a.mean())
    auc_b = float(of_fake_b.mean())
    # The variance of a difference of means, from the differences image by image: that is where the
    # covariance of the two subjects comes in.
    variance = float(
        (of_fake_b - of_fake_a).var(ddof=1) / m + (of_real_b - of_real_a).var(ddof=1) / n
    )
    error = math.sqrt(variance)
    difference = auc_b - auc_a
    if error == 0.0:
        p = 1.0 if difference == 0.0 else 0.0
    else:
        p = math.erfc(abs(difference) / error / math.sqrt(2.0))
    interval = (difference - Z95 * error, difference + Z95 * error)
    return DelongTest(auc_a, auc_b, interval, p)


def place_scores(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Placement values: of each positive `(M,)` the share of negatives below it, ties counted half.

    Of each negative `(N - M,)` likewise the share of positives above it. Both have the AUC as mean.
    """
    score = np.asarray(score, dtype=np.float64)
    among_all = _rank_middle(score)
    among_positive = _rank_middle(score[positive])
    among_negative = _rank_middle(score[~positive])
    # A rank among all less that among one's own kind counts the others that lie below.
    below = (among_all[positive] - among_positive) / max(1, int((~positive).sum()))
    above = 1.0 - (among_all[~positive] - among_negative) / max(1, int(positive.sum()))
    return below, above


def _rank_middle(score: np.ndarray) -> np.ndarray:
    """Ranks from 1 on, `(N,)`; equal scores share the middle of theirs."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2.0  # of each distinct score
    return np.asarray(middle[inverse], dtype=np.float64)


def resample_difference(
    fake: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    clusters: np.ndarray | None = None,
    rounds: int = 1000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """95% interval of AUC(b) - AUC(a), both on the same draws; None if never defined."""
    values: list[float] = []
    for counts in stack_in_chunks(bootstrap_counts(len(fake), rounds, seed, clusters)):
        difference = weigh_auc(b, fake, counts) - weigh_auc(a, fake, counts)
        values += difference[np.isfinite(difference)].tolist()
    return percentile_interval(values)


def resample_shares(
    rows: np.ndarray,
    differences: Sequence[np.ndarray],
    clusters: np.ndarray | None = None,
    rounds: int = 1000,
    seed: int = 0,
) -> list[tuple[float, float] | None]:
    """95% intervals of mean differences over the images that `rows (N,)` bool picks.

    Args:
        differences: each `(N,)`: an image's figure of `b` less that of `a`, -1, 0 or 1 for answers.
    """
    values: list[list[float]] = [[] for _ in differences]
    for counts in stack_in_chunks(bootstrap_counts(len(rows), rounds, seed, clusters)):
        for found, one in zip(values, differences, strict=True):
            means = weigh_mean(np.asarray(one)[rows], counts[:, rows])
            found += means[np.isfinite(means)].tolist()
    return [percentile_interval(found) for found in values]
