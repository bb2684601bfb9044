"""Answers as one line of JSON each, which a terminal and a log reader can take."""

from __future__ import annotations

import json
from typing import Any

from gazeclip.console.text import make_encodable


def encode_line(value: Any) -> bytes:
    """JSON in ASCII with a line break at its end.

    Raises:
        ValueError: NaN or infinity.
    """
    text = json.dumps(make_encodable(value), allow_nan=False, separators=(",", ":"))
    return text.encode("ascii") + b"\n"
