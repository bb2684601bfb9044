"""Names and messages as they may be printed: nothing in them steers a terminal or breaks a line.

A file name may hold escape sequences, line breaks, marks that turn the reading direction round, and
bytes that are no text.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

# Invisible, but they belong to the spelling of Persian, of Indic scripts and of emoji.
_JOINERS = "\u200c\u200d"
# Control, format (bidi), surrogate, line and paragraph separator.
_STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")
_UNDECODED = range(0xDC80, 0xDD00)  # how Python carries a byte of a file name that is not UTF-8
_LONGEST_LINE = 200  # characters
_LIST_LINE = re.compile(r"\n(?=  \S)")


def printable(text: str) -> str:
    """`text` on one line, with what is no visible character escaped.

    Such as `\\x1b`, `\\n`, `\\u202e`, and a stray byte of a file name as `\\xff`.
    """
    if text.isprintable():
        return text
    return "".join(_escape_steering(character) for character in text)


def printable_message(text: str) -> str:
    """Like `printable`; a message may end in a list, whose indented lines stay apart."""
    return "\n".join(printable(line) for line in _LIST_LINE.split(text))


def take_last_line(text: str, otherwise: str = "no words") -> str:
    """What a program or an error said last, at most 200 characters; `otherwise` if nothing."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_LONGEST_LINE] if lines else otherwise


def format_json(
    value: Any, sort_keys: bool = False, only_ascii: bool = False, indent: int | None = 2
) -> str:
    """JSON for a file, or with `only_ascii` for a terminal of any encoding.

    Args:
        indent: None for a single line.

    Raises:
        ValueError: NaN or infinity, on which other readers choke.
    """
    return json.dumps(
        make_encodable(value),
        indent=indent,
        sort_keys=sort_keys,
        allow_nan=False,
        ensure_ascii=only_ascii,
    )


def make_encodable(value: Any) -> Any:
    """A copy of JSON-like values whose texts can be written as UTF-8.

    Half a surrogate pair, as Python carries a stray byte of a file name, is no valid JSON.
    """
    if isinstance(value, str):
        return "".join(_escape_surrogate(character) for character in value)
    if isinstance(value, dict):
        return {make_encodable(key): make_encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [make_encodable(item) for item in value]
    return value


def _escape_steering(character: str) -> str:
    if unicodedata.category(character) not in _STEERING or character in _JOINERS:
        return character
    if _is_surrogate(character):
        return _escape_surrogate(character)
    return character.encode("unicode_escape").decode("ascii")


def _escape_surrogate(character: str) -> str:
    if not _is_surrogate(character):
        return character
    code = ord(character)
    return f"\\x{code - 0xDC00:02x}" if code in _UNDECODED else f"\\u{code:04x}"


def _is_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"
