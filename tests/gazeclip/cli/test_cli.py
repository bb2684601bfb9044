"""Bars and spinners: on the terminal of rank 0 where rich is installed, and nowhere else.

The work is done all the same.
"""

from __future__ import annotations

import io
import sys

import pytest

from gazeclip.console.progress import progress, progress_callback, working


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work() -> list[int]:
    done = list(progress([1, 2, 3], "a bar"))
    with progress_callback("a callback") as update:
        update(1, 2)
        update(2, 2)
    with working("a spinner"):
        pass
    return done


def test_a_terminal_shows_each_label(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert work() == [1, 2, 3]
    assert all(label in terminal.getvalue() for label in ("a bar", "a callback", "a spinner"))


@pytest.mark.parametrize("reason", ["a pipe", "rank 1", "no rich"])
def test_elsewhere_nothing_is_written(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    stream = io.StringIO() if reason == "a pipe" else Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    if reason == "rank 1":
        monkeypatch.setenv("RANK", "1")
    if reason == "no rich":
        monkeypatch.setitem(sys.modules, "rich.console", None)
    assert work() == [1, 2, 3]
    assert stream.getvalue() == ""
