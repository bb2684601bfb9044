"""The forensic gate: does a smaller file still judge as its fp32 twin does, shown by evidence?

Both files judge the same images, each at its own shipped threshold. Each figure may drop by at most
its limit. That is a test of non-inferiority on paired images: the drop `passes` if its upper bound
lies within the limit, `fails` if its lower bound lies beyond, and otherwise the images cannot tell.
The bounds come from a bootstrap that draws persons. A resampling of few images is too sure of
itself, and of images among which nothing went wrong it says that nothing ever does: rates therefore
have the bounds of `gazeclip/scoring/bounds.py` as well, and other figures none below
`LEAST_PERSONS` of either kind. Of generators every single one must pass, which needs no correction
for their number (Berger 1982, DOI 10.1080/00401706.1982.10487790). NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gazeclip.errors import StageError
from gazeclip.scoring.angles import measure_errors
from gazeclip.scoring.bounds import (
    CONFIDENCE,
    bound_paired_loss,
    bound_unseen,
    count_unseen,
)
from gazeclip.scoring.drops import (
    CANNOT_TELL,
    FAIL,
    FIGURES,
    LEAST_PERSONS,
    PASS,
    Drop,
    Gate,
    Judged,
    Truth,
)
from gazeclip.scoring.metrics import bootstrap_counts
from gazeclip.scoring.weighted import (
    draw_in_chunks,
    weigh_auc,
    weigh_cllr,
    weigh_macro_accuracy,
    weigh_mean,
)

_NEGLIGIBLE = 1e-9


def judge_drops(
    before: Judged,
    after: Judged,
    truth: Truth,
    limits: Mapping[str, float],
    rounds: int = 1000,
    seed: int = 0,
) -> Gate:
    """Judge a file by its twin.

    Args:
        before: what the twin says; `after`: what the file says.
        limits: figure -> the largest drop allowed, for all of `FIGURES`; shares, bits, degrees.
        rounds: draws of the bootstrap.

    Raises:
        StageError: there are no real or no forged images.
    """
    fake = truth.targets != 0
    if fake.all() or not fake.any():
        raise StageError(
            "the gate needs real and forged images",
            remedy="Give the manifest rows of both kinds with split 'val'",
        )
    drawn = bootstrap_counts(len(fake), rounds, seed, truth.persons)
    counts = np.stack([row.astype(np.uint16) for row in drawn])
    comparison = _Comparison(before, after, truth, counts)
    drops = [
        _judge_figure(comparison, name, measure, limits[name], support)
        for name, (measure, support) in _list_measures(comparison).items()
    ]
    drops.append(_judge_generators(comparison, limits["worst_generator"]))
    return Gate(tuple(drops), float((before.answers == after.answers).mean()))


@dataclass(frozen=True)
class _Comparison:
    """Two files on the same images, and draws of these `(B, N)`."""

    before: Judged
    after: Judged
    truth: Truth
    counts: np.ndarray

    def count_persons(self, rows: np.ndarray) -> int:
        """How many are seen on some of the images, `rows (N,)` bool."""
        return len(np.unique(self.truth.persons[rows]))


_Measure = Callable[[Judged, np.ndarray], np.ndarray]  # (a file's answers, weights) -> `(B,)`


@dataclass(frozen=True)
class _Support:
    """What a figure rests on.

    Attributes:
        images: how many.
        persons: of its smallest part.
        parts: of a rate, which may be a mean over parts: 1, or the number of classes; None where
            the figure is no rate.
        lost: of a rate, the share of the images that had it before and not after, and `gained`.
        effective: of a rate, how many images of a single part would be as uncertain.
    """

    images: int
    persons: int
    parts: int | None = None
    lost: float = 0.0
    gained: float = 0.0
    effective: float = 0.0


def _list_measures(comparison: _Comparison) -> dict[str, tuple[_Measure, _Support]]:
    truth = comparison.truth
    before = comparison.before
    after = comparison.after
    fake = truth.targets != 0
    either = min(comparison.count_persons(fake), comparison.count_persons(~fake))
    of_kinds = _Support(len(fake), either)
    found: dict[str, tuple[_Measure, _Support]] = {
        "auc": (lambda judged, w: weigh_auc(judged.rank, fake, w), of_kinds),
        "cllr": (lambda judged, w: weigh_cllr(judged.llr, fake, w), of_kinds),
        "tpr": (
            lambda judged, w: weigh_mean(judged.called_fake[fake], w[:, fake]),
            _support_rate(comparison, before.called_fake, after.called_fake, [fake]),
        ),
        "attribution": (
            lambda judged, w: weigh_macro_accuracy(truth.targets, judged.named == truth.targets, w),
            _support_rate(
                comparison,
                before.named == truth.targets,
                after.named == truth.targets,
                [truth.targets == target for target in np.unique(truth.targets)],
            ),
        ),
    }
    if truth.has_gaze:
        labels = before.gaze if truth.gaze is None else truth.gaze
        known = np.isfinite(labels).all(axis=1)
        found["gaze_deg"] = (
            lambda judged, w: weigh_mean(
                measure_errors(judged.gaze[known], labels[known]), w[:, known]
            ),
            _Support(int(known.sum()), comparison.count_persons(known)),
        )
    return found


def _support_rate(
    comparison: _Comparison, had: np.ndarray, has: np.ndarray, parts: Sequence[np.ndarray]
) -> _Support:
    """Of the mean over `parts` of the share of images that have something, `had (N,)` before."""
    persons = [comparison.count_persons(rows) for rows in parts]
    return _Support(
        images=int(np.any(parts, axis=0).sum()),
        persons=min(persons),
        parts=len(parts),
        lost=float(np.mean([(had & ~has)[rows].mean() for rows in parts])),
        gained=float(np.mean([(has & ~had)[rows].mean() for rows in parts])),
        # The variance of a mean over parts is that of its parts, over their number squared.
        effective=len(parts) ** 2 / sum(1.0 / count for count in persons),
    )


def _judge_figure(
    comparison: _Comparison,
    name: str,
    measure: _Measure,
    limit: float,
    support: _Support,
    generator: str | None = None,
) -> Drop:
    """The drop of one figure, its bounds, and the answer."""
    sign = FIGURES[name][2]
    once = np.ones((1, comparison.counts.shape[1]))
    value_before = float(measure(comparison.before, once)[0])
    value_after = float(measure(comparison.after, once)[0])
    drop = sign * (value_after - value_before)
    drawn = draw_in_chunks(
        lambda w: sign * (measure(comparison.after, w) - measure(comparison.before, w)),
        comparison.counts,
    )
    low, high = _bound_drop(drawn, drop, support)
    outcome = _decide(low, high, limit)
    growth = None
    if outcome == CANNOT_TELL:
        growth = _estimate_growth(drop, low, high, limit, support)
    return Drop(
        figure=name,
        before=value_before,
        after=value_after,
        drop=drop,
        low=low,
        high=high,
        limit=limit,
        outcome=outcome,
        images=support.images,
        enough=None if growth is None else math.ceil(support.images * growth),
        generator=generator,
    )


def _bound_drop(drawn: np.ndarray, drop: float, support: _Support) -> tuple[float, float]:
    """One-sided bounds from the drops of all draws `(B,)`; none where it is undefined."""
    known = drawn[np.isfinite(drawn)]
    if not len(known) or not math.isfinite(drop):
        return -math.inf, math.inf
    low, high = (float(value) for value in np.quantile(known, [1.0 - CONFIDENCE, CONFIDENCE]))
    if support.parts is not None:
        n = support.effective
        paired = bound_paired_loss(support.lost * n, support.gained * n, n)
        low = min(low, paired[0])
        high = max(high, paired[1], bound_unseen(support.persons) / support.parts)
    elif support.persons < LEAST_PERSONS:
        return -math.inf, math.inf
    return min(low, drop), max(high, drop)


def _decide(low: float, high: float, limit: float) -> str:
    if high <= limit + _NEGLIGIBLE:
        return PASS
    return FAIL if low > limit + _NEGLIGIBLE else CANNOT_TELL


def _estimate_growth(
    drop: float, low: float, high: float, limit: float, support: _Support
) -> float | None:
    """How many times as many images would tell, if the drop stays as it is.

    Bounds close in with the root of the number, and that of what was never seen with the number.
    None where the drop lies at the limit, or a limit of 0 asks for certainty.
    """
    if support.parts is None and support.persons < LEAST_PERSONS:
        return LEAST_PERSONS / max(support.persons, 1)
    distance = abs(limit - drop)
    half = high - drop if drop <= limit else drop - low
    if distance <= _NEGLIGIBLE or not math.isfinite(half):
        return None
    if support.parts is None or drop > limit:
        return max(1.0, (half / distance) ** 2)
    unseen = count_unseen(limit * support.parts) / support.persons
    if drop <= 0.0:
        return None if math.isinf(unseen) else max(1.0, unseen)
    return None if math.isinf(unseen) else max(1.0, unseen, (half / distance) ** 2)


def _judge_generators(comparison: _Comparison, limit: float) -> Drop:
    """The generator whose AUC against the real images is least surely within the limit."""
    truth = comparison.truth
    real = truth.targets == 0
    found = []
    for target in np.unique(truth.targets[~real]):
        rows = real | (truth.targets == target)
        persons = (comparison.count_persons(real), comparison.count_persons(rows & ~real))
        found.append(
            _judge_figure(
                comparison,
                "worst_generator",
                _measure_rows_auc(~real[rows], rows),
                limit,
                _Support(int(rows.sum()), min(persons)),
                truth.classes[int(target)],
            )
        )
    order = {PASS: 0, CANNOT_TELL: 1, FAIL: 2}
    return max(found, key=lambda drop: (order[drop.outcome], drop.high))


def _measure_rows_auc(positive: np.ndarray, rows: np.ndarray) -> _Measure:
    return lambda judged, w: weigh_auc(judged.rank[rows], positive, w[:, rows])
