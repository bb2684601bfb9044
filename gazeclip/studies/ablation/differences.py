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
    """The bootstrap over persons, the same draws for all comparisons.

    `clusters (N,)` names who is seen; None: each face another.
    """

    clusters: np.ndarray | None
    rounds: int


def auc_difference(
    fake: np.ndarray, mine: Sequence[np.ndarray], other: Sequence[np.ndarray], draws: Draws
) -> Figure | None:
    """AUC of `mine` less AUC of `other`; `fake (N,)` bool.

    `mine` and `other` hold scores `(several, N)` per seed, of which `several` are averaged.
    """
    # Per seed `(forged, real)`: by how much more often `mine` ranks that pair rightly.
    gaps = [_share_won(fake, a) - _share_won(fake, b) for a, b in zip(mine, other, strict=True)]

    def weigh_pairs(gap: np.ndarray) -> Weighted:
        def average(weights: np.ndarray) -> float | None:
            # `(forged,) @ (forged, real) @ (real,)`: a face drawn twice is in twice as many pairs.
            forged = weights[fake].astype(np.float32)
            real = weights[~fake].astype(np.float32)
            pairs = float(forged.sum()) * float(real.sum())
            return float(forged @ gap @ real) / pairs if pairs else None

        return average

    return _summarise_gaps(gaps, weigh_pairs, draws, len(fake))


def accuracy_difference(
    true: np.ndarray,
    mine: Sequence[np.ndarray],
    other: Sequence[np.ndarray],
    draws: Draws,
    by_class: bool = True,
) -> Figure | None:
    """Macro accuracy of the predictions `mine` less that of `other`, against `true (N,)`.

    `mine` and `other` hold predictions `(several, N)` per seed, of which `several` are averaged.
    Not `by_class` it is the plain accuracy, for which all faces are of one class.
    """
    # Per seed `(N,)`: by how much more often `mine` names that face rightly.
    gaps = [(a == true).mean(0) - (b == true).mean(0) for a, b in zip(mine, other, strict=True)]
    codes = np.unique(true, return_inverse=True)[1] if by_class else np.zeros(len(true), dtype=int)

    def weigh_faces(gap: np.ndarray) -> Weighted:
        def average(weights: np.ndarray) -> float | None:
            faces = np.bincount(codes, weights)  # `(classes,)`: how many were drawn of each
            drawn = faces > 0  # a class nobody was drawn of has no accuracy
            if not drawn.any():
                return None
            rates = np.bincount(codes, weights * gap)[drawn] / faces[drawn]
            return float(rates.mean())

        return average

    return _summarise_gaps(gaps, weigh_faces, draws, len(true))


def _share_won(fake: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """`(forged, real)`: how often the forged face scores higher; a tie is half.

    Over the rows of `scores (several, N)`.
    """
    mean = np.zeros((int(fake.sum()), int((~fake).sum())), dtype=np.float32)
    for row in scores:
        forged = row[fake][:, None]
        real = row[~fake]
        mean += (forged > real) + np.float32(0.5) * (forged == real)
    return mean / np.float32(len(scores))


def _summarise_gaps(
    gaps: Sequence[np.ndarray], weigh: Callable[[np.ndarray], Weighted], draws: Draws, n: int
) -> Figure | None:
    by_seed = [weigh(gap)(np.ones(n)) for gap in gaps]
    known = np.array([value for value in by_seed if value is not None])
    if not len(known) or len(known) < len(by_seed):
        return None
    # What is weighed is linear in the gap, so the mean over seeds may be taken before the draws.
    average = weigh(np.mean(np.stack(gaps), axis=0))
    values = map(average, bootstrap_counts(n, draws.rounds, clusters=draws.clusters))
    interval = percentile_interval([value for value in values if value is not None])
    return {
        "mean": float(known.mean()),
        "sd": float(known.std(ddof=1)) if len(known) > 1 else None,
        "n": len(known),
        "interval": None if interval is None else list(interval),
    }
