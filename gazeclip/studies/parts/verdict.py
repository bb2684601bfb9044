"""A row of the table in words: what its intervals say together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gazeclip.studies.ablation.differences import Figure

NOTHING = "does nothing here"
NOT_SHOWN = "not shown"
NEGLIGIBLE = 0.002  # a difference whose interval stays within counts as none


@dataclass(frozen=True)
class Verdict:
    """A row in words, and the figures `(split, figure)` that the part moves beyond doubt."""

    word: str
    helps: tuple[tuple[str, str], ...] = ()
    harms: tuple[tuple[str, str], ...] = ()


def judge_row(
    differences: Mapping[str, Mapping[str, Figure | None]], is_identical: bool
) -> Verdict:
    """What the differences of all splits say together.

    Args:
        differences: split -> figure -> difference to the whole.
        is_identical: whether the outputs are those of the whole, bit for bit.
    """
    if is_identical:
        return Verdict(NOTHING)
    intervals: dict[tuple[str, str], Any] = {}
    for split, figures in differences.items():
        for name, figure in figures.items():
            if figure is not None and figure["interval"] is not None:
                intervals[split, name] = figure["interval"]
    if not intervals:
        return Verdict("not measured")
    if all(max(-low, high) <= NEGLIGIBLE for low, high in intervals.values()):
        return Verdict(NOTHING)
    helps = tuple(key for key, (_, high) in intervals.items() if high < 0)
    harms = tuple(key for key, (low, _) in intervals.items() if low > 0)
    word = NOT_SHOWN
    if helps and harms:
        word = "helps and harms"
    elif helps:
        word = "helps"
    elif harms:
        word = "harms"
    return Verdict(word, helps, harms)
