"""What writers and readers of scores.json have in common; it imports no training library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FILE = "scores.json"
SCHEMA = 1
IDENTITY = ("role", "framework", "engine", "precision")


def name_key(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """What tells a subject of a report or of its scores from the others."""
    return tuple(str(entry[key]) for key in IDENTITY)
