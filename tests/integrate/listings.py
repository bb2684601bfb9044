"""The listings of docs/integrate, as they stand in the guides."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "integrate"
PHONES = {"android.md": "kotlin", "ios.md": "swift"}
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


def read_listings(guide: str, language: str) -> list[str]:
    """The fenced blocks of one language in a guide, in order."""
    text = (GUIDES / guide).read_text(encoding="utf-8")
    return [block for name, block in _FENCE.findall(text) if name == language]


def join_listings(guide: str) -> str:
    """All of a telephone's listings."""
    return "\n".join(read_listings(guide, PHONES[guide]))
