"""Detection, attribution and calibration figures.

NumPy only; fractions, never percent; what is undefined is None, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np


def roc_auc(positive: np.ndarray, score: np.ndarray) -> float | None:
    """Area under the ROC curve, ties counted half (Mann-Whitney); None if a class is missing.

    Inputs `(N,)`.
    """
    positive = np.asarray(positive, dtype=bool)
    n_pos = int(positive.sum())
    n_neg = int((~positive).sum())
    if n_pos == 0 or n_neg == 0:
        return None
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(counts) - (counts - 1) / 2.0  # of each distinct score
    rank_sum = mid_rank[inverse][positive].sum()
    # Pairs in order: the ranks of the positives less what they would have among themselves.
    return float((rank_sum - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


def roc_curve(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(fpr, tpr, threshold)` for the rule `score >= threshold`.

    One point per distinct score, from (0, 0) on.
    """
    positive = np.asarray(positive, dtype=bool)
    order = np.argsort(-np.asarray(score, dtype=np.float64), kind="stable")
    sorted_score = np.asarray(score, dtype=np.float64)[order]
    hits = positive[order]
    # Equal scores pass a threshold together, so only the last of each counts.
    last = np.append(np.flatnonzero(np.diff(sorted_score)), len(hits) - 1)
    tpr = np.cumsum(hits)[last] / max(int(hits.sum()), 1)
    fpr = np.cumsum(~hits)[last] / max(int((~hits).sum()), 1)
    return np.append(0.0, fpr), np.append(0.0, tpr), np.append(np.inf, sorted_score[last])


def tpr_at_fpr(positive: np.ndarray, score: np.ndarray, fpr: float) -> float | None:
    """Largest TPR whose FPR stays at or below `fpr`; None if one class is missing."""
    positive = np.asarray(positive, dtype=bool)
    if positive.all() or not positive.any():
        return None
    false_rate, true_rate, _ = roc_curve(positive, score)
    return float(true_rate[false_rate <= fpr + 1e-12].max())


def eer(positive: np.ndarray, score: np.ndarray) -> float | None:
    """Equal error rate, interpolated between the ROC points around FPR = FNR.

    None if one class is missing.
    """
    positive = np.asarray(positive, dtype=bool)
    if positive.all() or not positive.any():
        return None
    false_rate, true_rate, _ = roc_curve(positive, score)
    gap = false_rate - (1.0 - true_rate)
    after = int(np.argmax(gap >= 0))
    if after == 0 or gap[after] == 0:
        return float(false_rate[after])
    weight = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(false_rate[after - 1] + weight * (false_rate[after] - false_rate[after - 1]))


def accuracy(target: np.ndarray, predicted: np.ndarray) -> float | None:
    """Share of equal entries of two `(N,)` arrays; None if they are empty."""
    return float(np.mean(np.asarray(target) == np.asarray(predicted))) if len(target) else None


def macro_accuracy(target: np.ndarray, predicted: np.ndarray) -> float | None:
    """Mean over the classes present in `target` of the accuracy within the class."""
    target = np.asarray(target)
    predicted = np.asarray(predicted)
    if not len(target):
        return None
    return float(np.mean([np.mean(predicted[target == c] == c) for c in np.unique(target)]))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis in float64."""
    shifted = np.asarray(logits, dtype=np.float64) - np.max(logits, axis=-1, keepdims=True)
    exponent = np.exp(shifted)
    return exponent / exponent.sum(axis=-1, keepdims=True)


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """Logistic function that neither overflows nor warns."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(logit, dtype=np.float64)))


def fit_temperature(logits: np.ndarray, target: np.ndarray) -> float:
    """Temperature that minimises the negative log likelihood, by golden section over log T.

    All classes count alike, however many images each has. Guo et al. 2017, arXiv:1706.04599.

    Args:
        logits: `(N, C)`.
        target: `(N,)` class indices.
    """
    logits = np.asarray(logits, dtype=np.float64)
    rows = np.arange(len(logits))
    weight = 1.0 / np.bincount(target, minlength=logits.shape[1])[target]
    weight = weight / weight.sum()

    def loss(log_t: float) -> float:
        scaled = logits / np.exp(log_t)
        # Log-sum-exp per row, its largest term taken out so that nothing overflows.
        peak = scaled.max(axis=1)
        log_sum = peak + np.log(np.exp(scaled - peak[:, None]).sum(axis=1))
        return float(weight @ (log_sum - scaled[rows, target]))

    low = np.log(0.05)
    high = np.log(20.0)
    ratio = (np.sqrt(5.0) - 1) / 2
    for _ in range(60):
        a = high - ratio * (high - low)
        b = low + ratio * (high - low)
        if loss(a) < loss(b):
            high = b
        else:
            low = a
    return float(np.exp((low + high) / 2))


def threshold_at_fpr(real_scores: np.ndarray, fpr: float) -> float:
    """Smallest threshold for `score >= t` whose FPR on `real_scores` `(N,)` is at most `fpr`.

    It lies just above the real image with rank `floor(fpr * N)`; with few real images it is the
    largest score of all, so callers report N beside it.
    """
    ordered = np.sort(np.asarray(real_scores, dtype=np.float64))[::-1]
    rank = min(int(np.floor(fpr * len(ordered) + 1e-12)), len(ordered) - 1)
    return float(np.nextafter(ordered[rank], np.inf))


def bootstrap_interval(
    statistic: Callable[..., float | None],
    *columns: np.ndarray,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    clusters: np.ndarray | None = None,
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of `statistic(*columns)`; None if never defined.

    Args:
        columns: `(N, ...)` each; their rows are resampled jointly.
        clusters: `(N,)`; rows of equal value, such as images of one person, are drawn together,
            since they say less than as many independent ones.
    """
    values = []
    for counts in bootstrap_counts(len(columns[0]), rounds, seed, clusters):
        pick = np.repeat(np.arange(len(counts)), counts)
        value = statistic(*(np.asarray(column)[pick] for column in columns))
        if value is not None:
            values.append(value)
    return percentile_interval(values, level)


def bootstrap_counts(
    n: int, rounds: int, seed: int = 0, clusters: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """`rounds` draws with replacement, each as how often every row is in it, `(n,)`.

    Rows of one cluster come together.
    """
    rng = np.random.default_rng(seed)
    codes = np.arange(n) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    groups = int(codes.max()) + 1 if n else 0
    for _ in range(rounds if n else 0):
        # Drawn are clusters; indexing by `codes` gives each row the count of its own.
        yield np.bincount(rng.integers(0, groups, groups), minlength=groups)[codes]


def percentile_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """The middle interval that holds the share `level` of the values; None of none."""
    if not len(values):
        return None
    tail = (1 - level) / 2
    return float(np.quantile(values, tail)), float(np.quantile(values, 1 - tail))
