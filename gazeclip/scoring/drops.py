"""What the forensic gate compares, and what it finds. NumPy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gazeclip.scoring.thresholds import FAKE

PASS = "pass"
FAIL = "fail"
CANNOT_TELL = "cannot tell"
# figure -> (its title, its unit, the sign that makes a loss positive)
FIGURES = {
    "auc": ("detection AUC", "", -1.0),
    "cllr": ("Cllr", "bit", 1.0),
    "tpr": ("TPR at the shipped threshold", "", -1.0),
    "attribution": ("macro attribution ACC", "", -1.0),
    "gaze_deg": ("gaze error", "deg", 1.0),
    "worst_generator": ("AUC of the worst generator", "", -1.0),
}
# Fewer say nothing that a bootstrap could rest on.
LEAST_PERSONS = 30
_SMALLEST_UNIT = 1e-4  # of a drop whose limit is 0


def title_figure(figure: str, generator: str | None) -> str:
    """What tables call one of `FIGURES`, with its unit or the generator that it is about."""
    title, unit, _ = FIGURES[figure]
    if generator is not None:
        return f"{title}: {generator}"
    return f"{title} ({unit})" if unit else title


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
        has_gaze: whether the models were taught any; it is not judged where they were not.
    """

    targets: np.ndarray
    classes: Sequence[str]
    persons: np.ndarray
    gaze: np.ndarray | None = None
    has_gaze: bool = True


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
    if not math.isfinite(drop.drop):
        return 1.0 / _SMALLEST_UNIT
    return drop.drop / max(drop.limit, _SMALLEST_UNIT)
