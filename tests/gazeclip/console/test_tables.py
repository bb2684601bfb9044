"""The same table for the terminal, with and without rich, and as Markdown."""

from __future__ import annotations

import io
import sys

import pytest

from gazeclip.console.tables import Table, markdown_table, print_tables

TABLE = Table(["name", "AUC"], [["a|b", "0.9 [0.8, 0.95]"], ["longer", "1"]], "Title", "Note [x].")


def test_markdown_escapes_bars_and_aligns_figures() -> None:
    assert markdown_table(TABLE).splitlines() == [
        "| name | AUC |",
        "| --- | ---: |",
        "| a\\|b | 0.9 [0.8, 0.95] |",
        "| longer | 1 |",
    ]


def shown() -> str:
    out = io.StringIO()
    print_tables([TABLE, TABLE], out)
    return out.getvalue()


def test_with_and_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    rich = shown()
    monkeypatch.setitem(sys.modules, "rich", None)
    plain = shown()
    assert plain.splitlines()[:4] == [
        "Title",
        "name                AUC",
        "a|b     0.9 [0.8, 0.95]",
        "longer                1",
    ]
    for text in (rich, plain):  # brackets are no markup
        assert [
            text.count(part) for part in ("Title", "0.9 [0.8, 0.95]", "longer", "Note [x].")
        ] == [2, 2, 2, 2]


NAMES = Table(["na\nme", "AUC"], [["a\nb\x1b[2J", "1"]], "run \x1b[2J[bold]", "of \x1b[2J[x]")


def test_names_steer_no_terminal_and_break_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    assert markdown_table(NAMES).splitlines() == [
        "| na me | AUC |",
        "| --- | ---: |",
        "| a\\nb\\x1b[2J | 1 |",
    ]
    found = []
    for _ in range(2):
        out = io.StringIO()
        print_tables([NAMES], out)
        found.append(out.getvalue())
        monkeypatch.setitem(sys.modules, "rich", None)
    for text in found:
        assert "\x1b" not in text and "a\\nb\\x1b[2J" in text
        assert "run \\x1b[2J[bold]" in text and "of \\x1b[2J[x]" in text
