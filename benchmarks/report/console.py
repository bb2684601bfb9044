"""The result table in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from benchmarks.report import tables
from gazeclip.console.tables import Styled, Table, available_width, print_table

WIDE = 110  # narrower terminals get fewer columns rather than broken figures
OPTIONAL = ("test.fpr", "test_unseen.fpr", "speed", "parity")


def console_table(report: Mapping[str, Any], file: TextIO | None = None) -> None:
    """Print the result table of a report (as in report.json)."""
    out = file or sys.stdout
    subjects = report["subjects"]
    width = available_width(out)
    columns = tables.COLUMNS
    if width is not None and width < WIDE:
        columns = tuple(column for column in columns if column.key not in OPTIONAL)
    rows = []
    for name, row in zip(_name_subjects(subjects), tables.build_rows(subjects), strict=True):
        cells = [row[column.key] for column in columns]
        rows.append([name, *(Styled(cell.text, "bold" if cell.best else "") for cell in cells)])
    header = ["subject", *(column.full_title.replace(" ", "\n", 1) for column in columns)]
    print_table(Table(header, rows, note=_describe_columns(report), whole_figures=True), out)


def _describe_columns(report: Mapping[str, Any]) -> str:
    subjects = report["subjects"]
    parts = [
        f"{report['run']}: latency at {tables.describe_settings(subjects)}",
        "TPR, FPR: called fake at the threshold that ships",
        "parity: sides of the detection score equal before and after conversion",
        "as fp32: answered as the float student answers",
    ]
    if tables.is_disturbed(subjects):
        parts.append("* disturbed by other work")
    return "; ".join(parts)


def _name_subjects(subjects: Sequence[Mapping[str, Any]]) -> list[str]:
    """The subjects' names, with engine and precision where names are equal."""
    names = [str(entry["name"]) for entry in subjects]
    notes = [row["name"].note for row in tables.build_rows(subjects)]
    return [
        name if names.count(name) == 1 else f"{name} ({note})"
        for name, note in zip(names, notes, strict=True)
    ]
