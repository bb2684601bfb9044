"""Paired differences of the share of forgeries found at a fixed share of false alarms.

That share is not linear in what a face contributes, unlike the figures of
`gazeclip.studies.ablation.differences`, so every draw places its own threshold.
"""

from __future__ import annotations

import numpy as np

from gazeclip.scoring.metrics import bootstrap_counts, percentile_interval
from gazeclip.scoring.outputs import FPR
from gazeclip.studies.ablation.differences import Draws, Figure

SLACK = 1e-12  # as in `metrics.tpr_at_fpr`: a share that rounding puts above FPR still counts


class RankedScores:
    """Scores `(N,)` sorted once, of which many weighted rates can be taken."""

    def __init__(self, fake: np.ndarray, score: np.ndarray) -> None:
        self._order = np.argsort(-score, kind="stable")
        self._fake = fake[self._order]
        # Equal scores pass a threshold together, so only the last of each is a place for one.
        ends = np.flatnonzero(np.diff(score[self._order]))
        self._last = np.append(ends, len(score) - 1)

    def find_tpr(self, weights: np.ndarray) -> float | None:
        """TPR at `FPR` where face i counts `weights[i]` times.

        None if a class has no weight.
        """
        ranked = weights[self._order]
        alarms = np.cumsum(np.where(self._fake, 0, ranked))
        found = np.cumsum(np.where(self._fake, ranked, 0))
        real = alarms[-1]
        forged = found[-1]
        if not real or not forged:
            return None
        # How many thresholds stay within the share of false alarms; with none nothing is found.
        within = np.searchsorted(alarms[self._last], (FPR + SLACK) * real, side="right")
        return float(found[self._last[within - 1]] / forged) if within else 0.0


def tpr_difference(
    fake: np.ndarray, mine: np.ndarray, other: np.ndarray, draws: Draws
) -> Figure | None:
    """TPR of `mine` less TPR of `other`, each the mean over its rows; `fake (N,)` bool.

    `mine` and `other` hold scores `(several, N)`. None if a class is missing.
    """
    if not len(fake):
        return None
    first = [RankedScores(fake, score) for score in mine]
    second = [RankedScores(fake, score) for score in other]

    def subtract(weights: np.ndarray) -> float | None:
        values = [ranked.find_tpr(weights) for ranked in (*first, *second)]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        return float(np.mean(known[: len(first)]) - np.mean(known[len(first) :]))

    mean = subtract(np.ones(len(fake), dtype=np.int64))
    if mean is None:
        return None
    drawn = map(subtract, bootstrap_counts(len(fake), draws.rounds, clusters=draws.clusters))
    interval = percentile_interval([value for value in drawn if value is not None])
    return {
        "mean": mean,
        "sd": None,
        "n": 1,
        "interval": None if interval is None else list(interval),
    }
