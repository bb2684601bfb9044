"""The forensic gate: does a smaller file still judge as its fp32 twin does, shown by evidence?

Both files judge the same images, each at its own shipped threshold. Each figure may drop by at most
its limit. That is a test of non-inferiority on paired images: the interval of the drop comes from
a bootstrap that draws persons, and the drop `passes` if the interval lies within the limit, `fails`
if it lies beyond, and otherwise the images cannot tell. A resampling of images among which nothing
went wrong says that nothing ever does; rates are therefore never claimed closer than the rule of
three allows (Hanley and Lippman-Hand 1983, DOI 10.1001/jama.1983.03330370053031). Of generators
every single one must pass, which needs no correction for their number (Berger 1982, DOI
10.1080/00401706.1982.10487790). NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gazeclip.scoring.angles import measure_errors
from gazeclip.scoring.metrics import bootstrap_counts
from gazeclip.scoring.thresholds import FAKE
from gazeclip.scoring.weighted import (
    draw_in_chunks,
    weigh_auc,
    weigh_cllr,
    weigh_macro_accuracy,
    weigh_mean,
)

PASS = "pass"
FAIL = "fail"
CANNOT_TELL = "cannot tell"
# Each bound of a drop holds with this confidence by itself.
CONFIDENCE = 0.95
# figure -> (its title, its unit, the sign that makes a loss positive)
FIGURES = {
    "auc": ("detection AUC", "", -1.0),
    "cllr": ("Cllr", "bit", 1.0),
    "tpr": ("TPR at the shipped threshold", "", -1.0),
    "attribution": ("macro attribution ACC", "", -1.0),
    "gaze_deg": ("gaze error", "deg", 1.0),
    "worst_generator": ("AUC of the worst generator", "", -1.0),
}
_RATES = ("tpr", "attribution")
_NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class Judged:
    """What one file says of N images at its own shipped threshold.

    Attributes:
        rank: `(N,)` LLR without its limits.
        llr: `(N,)` LLR as it is given.
        answers: `(N,)` names of `gazeclip.scoring.thresholds.ANSWERS`.
        named: `(N,)` the most probable class, as its number.
        gaze: `(N, 2)` pitch and yaw in radians.
    """

    rank: np.ndarray
    llr: np.ndarray
    answers: np.ndarray
    named: np.ndarray
    gaze: np.ndarray

    @property
    def called_fake(self) -> np.ndarray:
        """`(N,)` bool."""
        found: np.ndarray = self.answers == FAKE
        return found


@dataclass(frozen=True)
class Truth:
    """What is known of the same images.

    Attributes:
        targets: `(N,)` class numbers, 0 is real.
        classes: their names.
        persons: `(N,)`; images of one person are drawn together.
        gaze: `(N, 2)` labels in radians, NaN where unknown; None: there are none, and the twin's
            own gaze stands in for them.
    """

    targets: np.ndarray
    classes: Sequence[str]
    persons: np.ndarray
    gaze: np.ndarray | None = None


@dataclass(frozen=True)
class Drop:
    """One figure of the gate.

    Attributes:
        figure: a key of `FIGURES`.
        before: of the twin; `after`: of the file.
        drop: how much worse, positive is worse; `low` and `high` bound it.
        limit: the largest that is allowed.
        outcome: `PASS`, `FAIL` or `CANNOT_TELL`.
        images: that it rests on.
        enough: about how many images would tell; None where it is told, or no number would.
        generator: that it is about; None for all.
    """

    figure: str
    before: float
    after: float
    drop: float
    low: float
    high: float
    limit: float
    outcome: str
    images: int
    enough: int | None = None
    generator: str | None = None


@dataclass(frozen=True)
class Gate:
    """All drops, and what follows: one failure fails, one that cannot be told leaves it open.

    `agreement`: share of the images that both files answer alike. It is told and not judged.
    """

    drops: tuple[Drop, ...]
    agreement: float

    @property
    def outcome(self) -> str:
        """`PASS`, `FAIL` or `CANNOT_TELL`."""
        outcomes = {drop.outcome for drop in self.drops}
        if FAIL in outcomes:
            return FAIL
        return CANNOT_TELL if CANNOT_TELL in outcomes else PASS

    @property
    def worst_ratio(self) -> float:
        """The largest drop in units of its limit; below 1 all are within, as far as is seen."""
        return max(_measure_ratio(drop) for drop in self.drops)


def _measure_ratio(drop: Drop) -> float:
    if drop.limit > 0:
        return drop.drop / drop.limit
    return 0.0 if drop.drop <= 0 else math.inf


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
    """
    counts = np.stack(list(bootstrap_counts(len(truth.targets), rounds, seed, truth.persons)))
    drops = [
        _judge_figure(name, measure, before, after, truth, limits[name], counts)
        for name, measure in _list_measures(before, truth).items()
    ]
    drops.append(_judge_generators(before, after, truth, limits, counts))
    return Gate(tuple(drops), float((before.answers == after.answers).mean()))


_Measure = Callable[[Judged, np.ndarray], np.ndarray]  # (a file's answers, weights) -> `(B,)`


def _list_measures(before: Judged, truth: Truth) -> dict[str, _Measure]:
    fake = truth.targets != 0
    labels = before.gaze if truth.gaze is None else truth.gaze
    known = np.isfinite(labels).all(axis=1)
    return {
        "auc": lambda judged, w: weigh_auc(judged.rank, fake, w),
        "cllr": lambda judged, w: weigh_cllr(judged.llr, fake, w),
        "tpr": lambda judged, w: weigh_mean(judged.called_fake[fake], w[:, fake]),
        "attribution": lambda judged, w: weigh_macro_accuracy(
            truth.targets, judged.named == truth.targets, w
        ),
        "gaze_deg": lambda judged, w: weigh_mean(
            measure_errors(judged.gaze[known], labels[known]), w[:, known]
        ),
    }


def _judge_figure(
    name: str,
    measure: _Measure,
    before: Judged,
    after: Judged,
    truth: Truth,
    limit: float,
    counts: np.ndarray,
    generator: str | None = None,
) -> Drop:
    """The drop of one figure, its interval, and the answer."""
    sign = FIGURES[name][2]
    once = np.ones((1, counts.shape[1]))
    value_before = float(measure(before, once)[0])
    value_after = float(measure(after, once)[0])
    drawn = draw_in_chunks(lambda w: sign * (measure(after, w) - measure(before, w)), counts)
    drop = sign * (value_after - value_before)
    low, high = _bound_drop(drawn, drop)
    images = len(truth.targets)
    persons = math.inf
    if name in _RATES:
        rows = truth.targets != 0 if name == "tpr" else np.ones(images, dtype=bool)
        images = int(rows.sum())
        persons = len(np.unique(truth.persons[rows]))
    seen_high = high
    high = max(high, 1.0 - (1.0 - CONFIDENCE) ** (1.0 / persons))
    outcome = _decide(low, high, limit)
    enough = None
    if outcome == CANNOT_TELL:
        share = _estimate_growth(drop, low, seen_high, limit, persons)
        enough = None if share is None else math.ceil(images * share)
    return Drop(
        name,
        value_before,
        value_after,
        drop,
        low,
        high,
        limit,
        outcome,
        images,
        enough,
        generator,
    )


def _bound_drop(drawn: np.ndarray, drop: float) -> tuple[float, float]:
    """One-sided bounds from the drops of all draws `(B,)`; no bounds where it is undefined."""
    known = drawn[np.isfinite(drawn)]
    if not len(known) or not math.isfinite(drop):
        return -math.inf, math.inf
    low, high = np.quantile(known, [1.0 - CONFIDENCE, CONFIDENCE])
    return min(float(low), drop), max(float(high), drop)


def _decide(low: float, high: float, limit: float) -> str:
    if high <= limit + _NEGLIGIBLE:
        return PASS
    return FAIL if low > limit + _NEGLIGIBLE else CANNOT_TELL


def _estimate_growth(
    drop: float, low: float, high: float, limit: float, persons: float
) -> float | None:
    """How many times as many images would tell, if the drop stays as it is.

    Intervals shrink with the root of the number. None where the drop lies at the limit, or a limit
    of 0 asks for certainty.

    Args:
        high: upper bound of the drop by the bootstrap alone.
        persons: that the rule of three counts; infinite where it does not apply.
    """
    distance = abs(limit - drop)
    half = high - drop if drop <= limit else drop - low
    if distance <= _NEGLIGIBLE or not math.isfinite(half):
        return None
    growth = max(1.0, (half / distance) ** 2)
    if math.isfinite(persons) and limit < 1:
        if limit <= 0:
            return None
        needed = math.log(1.0 - CONFIDENCE) / math.log(1.0 - limit)
        growth = max(growth, math.ceil(needed) / persons)
    return growth


def _judge_generators(
    before: Judged, after: Judged, truth: Truth, limits: Mapping[str, float], counts: np.ndarray
) -> Drop:
    """The generator whose AUC against the real images is least surely within the limit."""
    found = []
    for target in np.unique(truth.targets[truth.targets != 0]):
        rows = (truth.targets == target) | (truth.targets == 0)
        of_generator = Truth(truth.targets[rows], truth.classes, truth.persons[rows])
        found.append(
            _judge_figure(
                "worst_generator",
                _measure_rows_auc(of_generator.targets != 0, rows),
                before,
                after,
                of_generator,
                limits["worst_generator"],
                counts,
                truth.classes[int(target)],
            )
        )
    order = {PASS: 0, CANNOT_TELL: 1, FAIL: 2}
    return max(found, key=lambda drop: (order[drop.outcome], drop.high))


def _measure_rows_auc(positive: np.ndarray, rows: np.ndarray) -> _Measure:
    return lambda judged, w: weigh_auc(judged.rank[rows], positive, w[:, rows])
