"""Works out lines of Kotlin or Swift that are plain arithmetic: a listing is tried, not a copy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_NAMED = re.compile(r"(?:val|let) (\w+) = (.+)")
_RETURNED = re.compile(r"return (.+)")
_EARLY = (re.compile(r"if \((.+)\) return (.+)"), re.compile(r"if (.+) \{ return (.+) \}"))


def find_body(code: str, name: str) -> list[str]:
    """Lines of a function whose head is one line, without indentation and comments."""
    (head,) = re.finditer(rf"^( *)[a-z ]*func? {name}\(.*\{{$", code, re.M)
    body = code[head.end() + 1 :].split(f"\n{head.group(1)}}}\n")[0]
    return [line.split(" // ")[0].strip() for line in body.splitlines()]


def work_out(lines: Sequence[str], values: dict[str, Any]) -> Any:
    """What the lines return, None if nothing; names that they give are added to `values`.

    Lines that neither name nor return a value are passed over.
    """
    for line in lines:
        early = next(filter(None, (way.fullmatch(line) for way in _EARLY)), None)
        if named := _NAMED.fullmatch(line):
            values[named.group(1)] = _calculate(named.group(2), values)
        elif returned := _RETURNED.fullmatch(line):
            return _calculate(returned.group(1), values)
        elif early and _calculate(early.group(1), values):
            return _calculate(early.group(2), values)
    return None


def _calculate(text: str, values: dict[str, Any]) -> Any:
    """The value of an expression that is Python's but for a few words."""
    text = text.replace("&&", "and").replace("try ", "")
    text = re.sub(r"\.(?:toDouble|number)\(\)", "", text)  # Python's numbers need neither
    text = re.sub(r"\b(\w+): ", r"\1=", text)  # Swift's names of arguments
    return eval(text, {"__builtins__": {}}, values)
