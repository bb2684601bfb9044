"""Is a value of bundle.json what it should be? It may be anything that JSON can hold."""

from __future__ import annotations

import math
from typing import TypeGuard


def is_number(value: object) -> TypeGuard[int | float]:
    """A number that a float can hold."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def is_count(value: object) -> TypeGuard[int]:
    """A whole number of at least 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_pair(value: object) -> TypeGuard[list[float]]:
    """Two numbers."""
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))
