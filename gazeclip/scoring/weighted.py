"""Figures of many resamplings at once.

Every draw is a row of weights: how often each image is in it. NumPy only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

CHUNK = 128  # draws at a time


def weigh_auc(score: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each draw, ties counted half; `(B,)`, NaN without a kind.

    `score (N,)`, `positive (N,)` bool, `weights (B, N)`.
    """
    order = np.argsort(score, kind="stable")
    ordered = np.asarray(score)[order]
    starts = np.flatnonzero(np.append(True, np.diff(ordered) > 0))  # of each distinct score
    drawn = weights[:, order]
    hits = np.asarray(positive, dtype=bool)[order]
    of_positive = np.add.reduceat(drawn * hits, starts, axis=1)  # (B, distinct scores)
    of_negative = np.add.reduceat(drawn * ~hits, starts, axis=1)
    below = np.cumsum(of_negative, axis=1) - of_negative / 2.0
    pairs = of_positive.sum(axis=1) * of_negative.sum(axis=1)
    return _divide((of_positive * below).sum(axis=1), pairs)


def weigh_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of `values (N,)` in each draw of `weights (B, N)`; `(B,)`, NaN of none."""
    return _divide(weights @ np.asarray(values, dtype=np.float64), weights.sum(axis=1))


def weigh_cllr(llr: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`gazeclip.scoring.cllr.cllr` of each draw; `(B,)`, NaN without a kind.

    `llr (N,)`, `positive (N,)` bool, `weights (B, N)`.
    """
    cost = np.logaddexp(0.0, np.where(positive, -llr, llr)) / np.log(2.0)
    missed = weigh_mean(cost[positive], weights[:, positive])
    alarmed = weigh_mean(cost[~positive], weights[:, ~positive])
    return (missed + alarmed) / 2.0


def weigh_macro_accuracy(
    targets: np.ndarray, correct: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Mean over the classes of `targets (N,)` of the share of `correct (N,)`; `(B,)`.

    A class that a draw has none of counts neither way.
    """
    shares = [
        weigh_mean(correct[targets == target], weights[:, targets == target])
        for target in np.unique(targets)
    ]
    of_class = np.stack(shares, axis=1)  # (B, classes)
    known = np.isfinite(of_class)
    return _divide(np.where(known, of_class, 0.0).sum(axis=1), known.sum(axis=1))


def draw_in_chunks(
    figure: Callable[[np.ndarray], np.ndarray], counts: Iterable[np.ndarray], chunk: int = CHUNK
) -> np.ndarray:
    """`figure(weights)` of all draws, each `counts (N,)`, some at a time."""
    return np.concatenate([figure(weights) for weights in stack_in_chunks(counts, chunk)])


def stack_in_chunks(counts: Iterable[np.ndarray], chunk: int = CHUNK) -> Iterator[np.ndarray]:
    """Draws, each `(N,)`, as weights `(up to chunk, N)`: some at a time, to bound the memory."""
    draws = iter(counts)
    while stacked := list(itertools.islice(draws, chunk)):
        yield np.stack(stacked).astype(np.float64)


def _divide(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = upper / lower
    return found
