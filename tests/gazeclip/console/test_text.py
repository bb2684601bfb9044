"""What is printed steers no terminal; ordinary names of any script stay as they are."""

from __future__ import annotations

import json

import pytest

from gazeclip.console.text import make_encodable, printable, printable_message, take_last_line


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("photo one.jpg", "photo one.jpg"),
        ("顔写真 é.png", "顔写真 é.png"),
        ("क्\u200dष.png", "क्\u200dष.png"),
        ("a\x1b[31mred.png", "a\\x1b[31mred.png"),
        ("a\nreal.png\t\r", "a\\nreal.png\\t\\r"),
        ("gnp.\u202eevil\u2066", "gnp.\\u202eevil\\u2066"),
        ("a\u2028b\x85c", "a\\u2028b\\x85c"),
        (b"\xff\xfe.png".decode("utf-8", "surrogateescape"), "\\xff\\xfe.png"),
        ("\ud800", "\\ud800"),
    ],
)
def test_printable(name: str, shown: str) -> None:
    assert printable(name) == shown
    shown.encode("utf-8")


def test_a_message_keeps_its_list_and_no_other_line_break() -> None:
    message = "2 faults:\n  - first\n  - a\nb"
    assert printable_message(message) == "2 faults:\n  - first\n  - a\\nb"


def test_the_last_line_that_says_something() -> None:
    assert take_last_line("first\n  the reason \n\n \n") == "the reason"
    assert take_last_line("a\n" + "x" * 500) == "x" * 200
    assert take_last_line(" \n") == "no words"
    assert take_last_line("", "ValueError") == "ValueError"


def test_json_of_any_name_is_valid() -> None:
    name = b"\xff.png".decode("utf-8", "surrogateescape")
    text = json.dumps(
        make_encodable({"results": [{"source": name, "p": 0.5, name: None}], "note": "\x1b"}),
        ensure_ascii=False,
    )
    assert json.loads(text.encode("utf-8")) == {
        "results": [{"source": "\\xff.png", "p": 0.5, "\\xff.png": None}],
        "note": "\x1b",
    }
