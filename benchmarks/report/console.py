"""The result table in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from benchmarks.report import tables
from gazeclip.console.tables import Table as PlainTable
from gazeclip.console.tables import print_plain

PIPE_WIDTH = 160  # where the output is no terminal
WIDE = 110  # narrower terminals get fewer columns rather than broken figures
OPTIONAL = ("test.tpr_at_fpr1", "test_unseen.tpr_at_fpr1", "speed", "parity")


def console_table(report: Mapping[str, Any], file: TextIO | None = None) -> None:
    """Print the result table of a report (as in report.json), with `rich` where it is installed,
    else plainly.
    """
    out = file or sys.stdout
    subjects = report["subjects"]
    footer = f"{report['run']}: latency at {tables.settings(subjects)}; TPR at 1% FPR; parity: verdicts equal before and after conversion"
    footer += "; as fp32: verdicts equal to the float student"
    if tables.disturbed(subjects):
        footer += "; * disturbed by other work"
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ModuleNotFoundError:
        _plain(subjects, footer, out)
        return
    console = Console(file=out, width=None if out.isatty() else PIPE_WIDTH)
    columns = [c for c in tables.COLUMNS if console.width >= WIDE or c.key not in OPTIONAL]
    table = Table(
        caption=footer,
        caption_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("subject", overflow="fold", vertical="bottom")
    for column in columns:
        table.add_column(column.full_title.replace(" ", "\n", 1), justify="right", no_wrap=True)
    for name, row in zip(_names(subjects), tables.rows(subjects), strict=True):
        cells = (row[column.key] for column in columns)
        # Text, not markup: a name may hold brackets.
        table.add_row(
            Text(name), *(Text(cell.text, style="bold" if cell.best else "") for cell in cells)
        )
    console.print(table)


def _names(subjects: Sequence[Mapping[str, Any]]) -> list[str]:
    """The subjects' names, with engine and precision where a name alone does not tell them apart."""
    names = [str(entry["name"]) for entry in subjects]
    notes = [row["name"].note for row in tables.rows(subjects)]
    return [
        name if names.count(name) == 1 else f"{name} ({note})"
        for name, note in zip(names, notes, strict=True)
    ]


def _plain(subjects: Sequence[Mapping[str, Any]], footer: str, out: TextIO) -> None:
    header = ["subject", *(column.full_title for column in tables.COLUMNS)]
    lines = [
        [name, *(row[column.key].text for column in tables.COLUMNS)]
        for name, row in zip(_names(subjects), tables.rows(subjects), strict=True)
    ]
    print_plain(PlainTable(header, lines, note=footer), out)
