"""Paired differences between rows of the grid, with intervals over persons.

AUC is a mean over pairs of a forged and a real face, macro accuracy a mean over classes of means
over faces. Both are linear in what a pair or a face contributes, so seeds and orders of exchanged
gaze are averaged first, and a bootstrap draw only weighs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gazeclip.scoring.metrics import bootstrap_counts, percentile_interval

Figure = dict[str, Any]
Weighted = Callable[[np.ndarray], float | None]  # weights of the faces `(N,)` -> the figure


@dataclass(frozen=True)
class Draws:
    """The bootstrap over persons: `clusters (N,)` names who is seen (None: each face another), the
    same draws for all comparisons.
    """

    clusters: np.ndarray | None
    rounds: int


def auc_difference(
    fake: np.ndarray, mine: Sequence[np.ndarray], other: Sequence[np.ndarray], draws: Draws
) -> Figure | None:
    """AUC of `mine` less AUC of `other`, per seed scores `(several, N)` of which `several` are
    averaged; `fake (N,)` bool.
    """
    gaps = [_wins(fake, a) - _wins(fake, b) for a, b in zip(mine, other, strict=True)]

    def weighted(gap: np.ndarray) -> Weighted:
        def value(weights: np.ndarray) -> float | None:
            forged, real = weights[fake].astype(np.float32), weights[~fake].astype(np.float32)
            pairs = float(forged.sum()) * float(real.sum())
            return float(forged @ gap @ real) / pairs if pairs else None

        return value

    return _figure(gaps, weighted, draws, len(fake))


def accuracy_difference(
    true: np.ndarray, mine: Sequence[np.ndarray], other: Sequence[np.ndarray], draws: Draws
) -> Figure | None:
    """Macro accuracy of the predictions `mine` less that of `other`, per seed `(several, N)`,
    against `true (N,)`.
    """
    gaps = [(a == true).mean(0) - (b == true).mean(0) for a, b in zip(mine, other, strict=True)]
    codes = np.unique(true, return_inverse=True)[1]

    def weighted(gap: np.ndarray) -> Weighted:
        def value(weights: np.ndarray) -> float | None:
            faces = np.bincount(codes, weights)
            drawn = faces > 0
            return (
                float((np.bincount(codes, weights * gap)[drawn] / faces[drawn]).mean())
                if drawn.any()
                else None
            )

        return value

    return _figure(gaps, weighted, draws, len(true))


def _wins(fake: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """`(forged, real)`: how often the forged face scores higher, over the rows of `scores (several,
    N)`; a tie is half.
    """
    mean = np.zeros((int(fake.sum()), int((~fake).sum())), dtype=np.float32)
    for row in scores:
        forged, real = row[fake][:, None], row[~fake]
        mean += (forged > real) + np.float32(0.5) * (forged == real)
    return mean / np.float32(len(scores))


def _figure(
    gaps: Sequence[np.ndarray], weighted: Callable[[np.ndarray], Weighted], draws: Draws, n: int
) -> Figure | None:
    by_seed = [weighted(gap)(np.ones(n)) for gap in gaps]
    known = np.array([value for value in by_seed if value is not None])
    if not len(known) or len(known) < len(by_seed):
        return None
    value = weighted(np.mean(np.stack(gaps), axis=0))
    drawn = map(value, bootstrap_counts(n, draws.rounds, clusters=draws.clusters))
    interval = percentile_interval([found for found in drawn if found is not None])
    sd = float(known.std(ddof=1)) if len(known) > 1 else None
    return {
        "mean": float(known.mean()),
        "sd": sd,
        "n": len(known),
        "interval": None if interval is None else list(interval),
    }
