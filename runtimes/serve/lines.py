"""Answers as one line of JSON each, which a terminal and a log reader can take."""

from __future__ import annotations

import json
from typing import Any

from gazeclip.console.text import make_encodable

JSON = "application/json"
_HALF_PAIR = "\\ud"  # how JSON writes what may be half a surrogate pair, or a whole one


def encode_line(value: Any) -> bytes:
    """JSON in ASCII with a line break at its end.

    Raises:
        ValueError: NaN or infinity.
    """
    text = _dump(value)
    if _HALF_PAIR in text:  # rare, and looking at each letter beforehand takes longer than all else
        text = _dump(make_encodable(value))
    return text.encode("ascii") + b"\n"


def _dump(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
