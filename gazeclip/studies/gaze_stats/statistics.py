"""Spread and energy distance of two sets of gaze angles, with tests and intervals. NumPy only.

Gaze angles are neither normal nor free of outliers, and groups differ in size: p-values come from
permutations and intervals from resampling, never from a table. Permutation p-values are
(1 + count) / (1 + N), so never 0 (Phipson and Smyth 2010, DOI 10.2202/1544-6115.1585).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

# Makes the median absolute deviation of a normal distribution its standard deviation.
NORMAL_MAD = 1.4826
NOTHING = 1e-9  # radians; a spread below it is rounding of equal values
CHUNK = 256  # permutations worked on together
TIE = 1e-12  # relative; equal statistics that rounding has told apart still count as equal


@dataclass(frozen=True)
class Outcome:
    """A statistic and its permutation p-value."""

    statistic: float
    p: float


def robust_std(values: np.ndarray) -> float:
    """The standard deviation that outliers do not reach, of `(N,)`.

    1.4826 times the median absolute deviation.
    """
    return float(NORMAL_MAD * np.median(np.abs(values - np.median(values))))


def mean_deviation(values: np.ndarray) -> float:
    """Mean absolute deviation of `(N,)` from its median: what the spread tests compare."""
    return float(np.abs(values - np.median(values)).mean())


def pairwise_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean distances `(N, M)` between the rows of `(N, D)` and `(M, D)`."""
    squared = np.zeros((len(x), len(y)))
    for column in range(x.shape[1]):
        squared += np.subtract.outer(x[:, column], y[:, column]) ** 2
    return np.sqrt(squared)


def energy_test(
    x: np.ndarray, y: np.ndarray, permutations: int, rng: np.random.Generator
) -> Outcome:
    """Do `x (N, D)` and `y (M, D)` come from one distribution? Group labels are permuted.

    The statistic is the energy distance 2 E|X-Y| - E|X-X'| - E|Y-Y'|, in the unit of the data, and
    0 only for equal samples: unlike a comparison of means or spreads it misses no kind of
    difference. The means run over all pairs, an image with itself included (Szekely and Rizzo 2013,
    DOI 10.1016/j.jspi.2013.03.018). Two samples of one distribution are therefore not at 0 but at
    about (1/N + 1/M) E|X-X'|.
    """
    pooled = np.concatenate((x, y))
    # Distances are computed once; a permutation only says which rows are the first group.
    table = pairwise_distances(pooled, pooled)
    observed = float(_energy_of_splits(table, _mark_first(len(pooled), len(x))[:, None])[0])
    null = [
        _energy_of_splits(table, masks)
        for masks in _random_masks(len(pooled), len(x), permutations, rng)
    ]
    return _rank_among(observed, np.concatenate(null))


def centred_energy_test(
    x: np.ndarray, y: np.ndarray, permutations: int, rng: np.random.Generator
) -> Outcome:
    """`energy_test` of shape and spread alone: means are taken out, of permuted groups as well.

    Distances within a group do not feel the centring, so only those between groups are computed
    anew.
    """
    pooled = np.concatenate((x - x.mean(axis=0), y - y.mean(axis=0)))
    table = pairwise_distances(pooled, pooled)

    def centred_energies(masks: np.ndarray) -> np.ndarray:
        # Means of the distances within both groups, `(P,)` each, from `masks (N + M, P)`.
        inside = np.einsum("np,np->p", masks, table @ masks) / len(x) ** 2
        outside = np.einsum("np,np->p", 1 - masks, table @ (1 - masks)) / len(y) ** 2
        across = np.array([_centred_cross(pooled, mask.astype(bool)) for mask in masks.T])
        return across - inside - outside

    observed = float(centred_energies(_mark_first(len(pooled), len(x))[:, None])[0])
    null = [
        centred_energies(masks) for masks in _random_masks(len(pooled), len(x), permutations, rng)
    ]
    return _rank_among(observed, np.concatenate(null))


def spread_test(
    x: np.ndarray, y: np.ndarray, permutations: int, rng: np.random.Generator
) -> Outcome:
    """Do `x (N,)` and `y (M,)` spread equally, wherever their centres are?

    The Brown-Forsythe statistic: one-way F of the absolute deviations from each group's median
    (Brown and Forsythe 1974, DOI 10.1080/01621459.1974.10482955). Deviations are permuted and each
    permuted group is centred again.
    """
    # About the median, not the mean as Levene had it: that rejects too often where a set is skewed.
    residuals = np.concatenate((x - np.median(x), y - np.median(y)))
    observed = float(_brown_forsythe(x[None], y[None])[0])
    null = []
    for masks in _random_masks(len(residuals), len(x), permutations, rng):
        rows = masks.T.astype(bool)  # `(P, N + M)`
        values = np.broadcast_to(residuals, rows.shape)
        # Every permutation has as many in each group, so what is picked is a rectangle again.
        first = values[rows].reshape(len(rows), -1)
        second = values[~rows].reshape(len(rows), -1)
        null.append(_brown_forsythe(first, second))
    return _rank_among(observed, np.concatenate(null))


def paired_spread_test(
    x: np.ndarray, y: np.ndarray, permutations: int, rng: np.random.Generator
) -> Outcome:
    """Do pairs `x (N,)`, `y (N,)` spread equally, wherever their centres are?

    Which member of a pair is which is permuted, after centring both: a forgery and its photograph
    show the same head, so that `spread_test`, which takes them for independent, would see less.
    The statistic is the absolute logarithm of the ratio of the mean absolute deviations.
    """
    x = x - np.median(x)
    y = y - np.median(y)
    observed = float(_log_ratio(x[None], y[None])[0])
    null = []
    for start in range(0, permutations, CHUNK):
        swap = rng.random((min(CHUNK, permutations - start), len(x))) < 0.5
        null.append(_log_ratio(np.where(swap, y, x), np.where(swap, x, y)))
    return _rank_among(observed, np.concatenate(null))


def paired_energy_test(
    x: np.ndarray, y: np.ndarray, permutations: int, rng: np.random.Generator
) -> Outcome:
    """`energy_test` of pairs `x (N, D)`, `y (N, D)`: the members of each pair are exchanged."""
    pooled = np.concatenate((x, y))
    table = pairwise_distances(pooled, pooled)
    observed = float(_energy_of_splits(table, _mark_first(len(pooled), len(x))[:, None])[0])
    null = []
    for start in range(0, permutations, CHUNK):
        stay = (rng.random((len(x), min(CHUNK, permutations - start))) < 0.5).astype(np.float64)
        null.append(_energy_of_splits(table, np.concatenate((stay, 1 - stay))))
    return _rank_among(observed, np.concatenate(null))


def split_null(x: np.ndarray, size: int, rounds: int, rng: np.random.Generator) -> np.ndarray:
    """What equal sets show by chance, `(rounds,)`.

    Energy distances between `size` random rows of `x (N, D)` and all other rows.
    """
    table = pairwise_distances(x, x)
    parts = [_energy_of_splits(table, masks) for masks in _random_masks(len(x), size, rounds, rng)]
    return np.concatenate(parts)


def correct_holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in the given order (Holm 1979).

    Calling everything below 0.05 a difference then errs in 5% of studies at most, however the tests
    depend on each other; here all of them share one set of real images.
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected.tolist()


def cluster_stds(
    values: np.ndarray, clusters: np.ndarray, rounds: int, rng: np.random.Generator
) -> np.ndarray:
    """Standard deviations `(rounds,)` of `values (N,)` with whole `clusters (N,)` resampled.

    Two images of one person are not two people: resampled one by one they would narrow the
    interval as if they were.
    """
    _, index = np.unique(clusters, return_inverse=True)
    centred = values - values.mean()  # against cancellation in E x^2 - (E x)^2
    # Count, sum and sum of squares of each cluster, `(clusters, 3)`; a draw only adds rows.
    columns = (np.ones(len(values)), centred, centred**2)
    sums = np.stack([np.bincount(index, weights) for weights in columns], axis=1)
    result = np.empty(rounds)
    for number in range(rounds):
        count, first, second = sums[rng.integers(0, len(sums), len(sums))].sum(axis=0)
        result[number] = np.sqrt(max(second / count - (first / count) ** 2, 0.0))
    return result


def cluster_means(
    values: np.ndarray, clusters: np.ndarray, rounds: int, rng: np.random.Generator
) -> np.ndarray:
    """Means `(rounds,)`, resampled as in `cluster_stds`."""
    _, index = np.unique(clusters, return_inverse=True)
    sums = np.stack(
        [np.bincount(index, weights) for weights in (np.ones(len(values)), values)], axis=1
    )
    picked = (sums[rng.integers(0, len(sums), len(sums))].sum(axis=0) for _ in range(rounds))
    return np.array([total / count for count, total in picked])


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of resampled values."""
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def ratio_interval(above: np.ndarray, below: np.ndarray) -> tuple[float, float] | None:
    """Percentile interval of the ratios of resampled values.

    None if no value below the line is a spread.
    """
    valid = below > NOTHING
    return percentile_interval(above[valid] / below[valid]) if valid.any() else None


def divide_spreads(above: float, below: float) -> float | None:
    """Their ratio, None where it is not defined."""
    return above / below if below > NOTHING else None


def one_per_cluster(clusters: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Indices of one random member of each cluster `(N,)`, in order.

    What a permutation test may treat as independent.
    """
    order = rng.permutation(len(clusters))
    _, first = np.unique(clusters[order], return_index=True)
    return np.sort(order[first])


def _rank_among(observed: float, null: np.ndarray) -> Outcome:
    """How many permutations are at least as extreme, the observed order counted among them."""
    at_least = int((null >= observed - TIE * abs(observed)).sum())
    return Outcome(observed, (1 + at_least) / (1 + len(null)))


def _mark_first(total: int, size: int) -> np.ndarray:
    """`(total,)`: one for the first `size` rows, zero for the others."""
    return (np.arange(total) < size).astype(np.float64)


def _random_masks(
    total: int, size: int, count: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """`count` random 0/1 columns with `size` ones among `total`, in chunks `(total, P)`."""
    template = _mark_first(total, size)
    for start in range(0, count, CHUNK):
        yield rng.permuted(np.tile(template, (min(CHUNK, count - start), 1)), axis=1).T


def _energy_of_splits(table: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Energy distance `(P,)` for each way to split the rows of `table (N, N)` in two.

    `masks (N, P)`: a column per way, 1 for the first group.
    """
    size = masks[:, 0].sum()
    rest = len(table) - size
    # `(N, P)`: of every row the sum of its distances to the first group; all sums follow from it.
    to_first = table @ masks
    inside = np.einsum("np,np->p", masks, to_first)
    across = to_first.sum(axis=0) - inside
    outside = table.sum() - inside - 2 * across
    return 2 * across / (size * rest) - inside / size**2 - outside / rest**2


def _centred_cross(pooled: np.ndarray, mask: np.ndarray) -> float:
    """2 E|X-Y| with both groups centred."""
    x = pooled[mask]
    y = pooled[~mask]
    return float(2 * pairwise_distances(x - x.mean(axis=0), y - y.mean(axis=0)).mean())


def _brown_forsythe(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """F `(P,)` of the rows of `x (P, N)` against those of `y (P, M)`."""
    a = np.abs(x - np.median(x, axis=1, keepdims=True))
    b = np.abs(y - np.median(y, axis=1, keepdims=True))
    n = a.shape[1]
    m = b.shape[1]
    between = (a.mean(axis=1) - b.mean(axis=1)) ** 2 * n * m / (n + m)
    within = (a.var(axis=1) * n + b.var(axis=1) * m) / (n + m - 2)
    return between / np.maximum(within, np.finfo(np.float64).tiny)


def _log_ratio(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`(P,)`: how far apart the mean absolute deviations of rows `(P, N)` are, either way."""
    tiny = np.finfo(np.float64).tiny
    a = np.abs(x - np.median(x, axis=1, keepdims=True)).mean(axis=1)
    b = np.abs(y - np.median(y, axis=1, keepdims=True)).mean(axis=1)
    return np.abs(np.log(np.maximum(a, tiny) / np.maximum(b, tiny)))
