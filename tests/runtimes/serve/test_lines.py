"""One line of JSON, whatever a name holds."""

from __future__ import annotations

import json

import pytest

from runtimes.serve.lines import encode_line


def test_a_line_is_ascii_and_says_the_same() -> None:
    value = {"a": ["\u00e9\n\u2028", "\U0001f600", 1.5, None], "b": {"c": True}}
    line = encode_line(value)
    assert line.isascii() and line.count(b"\n") == 1 and line.endswith(b"\n")
    assert json.loads(line) == value


def test_a_stray_byte_of_a_name_is_valid_json() -> None:
    line = encode_line({"a": "x\udcff \U0001f600"})
    assert json.loads(line) == {"a": "x\\xff \U0001f600"}


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_line(float("nan"))
