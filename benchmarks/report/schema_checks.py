"""Checks that all parts of report.json's contract are made of; each yields its faults as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def check_number(
    table: Mapping[str, Any],
    key: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    whole: bool = False,
) -> Iterator[str]:
    """Faults of one figure, which may be null but must be there."""
    if key not in table:
        yield f"{key}: is missing (null if not measured)"
        return
    value = table[key]
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return  # not finite is reported for the whole report at once
    if not is_number(value) or (whole and int(value) != value):
        yield f"{key}: is {value!r}, must be a {'whole ' if whole else ''}number or null"
    elif above is not None and value <= above:
        yield f"{key}: is {value}, must be above {above} (null if not measured)"
    elif (low is not None and value < low) or (high is not None and value > high):
        hint = " (figures are fractions, not percent)" if high == 1 and value > 1 else ""
        yield f"{key}: is {value}, must lie in [{low}, {'inf' if high is None else high}]{hint}"


def check_text(table: Mapping[str, Any], key: str) -> Iterator[str]:
    """Faults of a name."""
    if not isinstance(table.get(key), str) or not table.get(key):
        yield f"{key}: must be text"


def check_choices(
    table: Mapping[str, Any], known_by_key: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    """Faults of keys whose values are listed."""
    for key, known in known_by_key.items():
        if table.get(key) not in known:
            yield f"{key}: is {table.get(key)!r}, must be one of {', '.join(known)}"


def is_number(value: Any) -> bool:
    """Whether it is one in JSON, where true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def prefix_faults(prefix: str, faults: Iterable[str]) -> Iterator[str]:
    """The faults of a part, as those of the whole."""
    return (f"{prefix}.{fault}" for fault in faults)
