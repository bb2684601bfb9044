"""The entry `gaze` of bundle.json: false where the model's output of that name was never trained.

A teacher without gaze teaches none. The model gives two numbers all the same, which measure
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEY = "gaze"


def tells_gaze(meta: Mapping[str, Any]) -> bool:
    """Whether the model's angles mean something; bundles of before this entry say nothing of it."""
    return bool(meta.get(KEY, True))


def find_gaze_faults(meta: Mapping[str, Any]) -> list[str]:
    """What is wrong with the entry."""
    if isinstance(meta.get(KEY, True), bool):
        return []
    return [f"'{KEY}' is {meta[KEY]!r}, not true or false"]
