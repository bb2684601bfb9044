"""The table of answers at the threshold that ships: false alarms, and each generator by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.report.plots import short_label
from benchmarks.report.tables import (
    SPLIT_TITLES,
    Cell,
    format_interval,
    format_share,
    format_unsure,
)
from gazeclip.console.tables import Table, markdown_table

Entry = Mapping[str, Any]
NOTE = (
    "Cllr: cost of the evidence in bits, 0 perfect and 1 none, and beside it what calibration "
    "could not mend. False alarms: real images called fake, with a 95% interval. Generators: the "
    "share of their images called fake, and beside it the share that is inconclusive; the rest "
    "is called real."
)


@dataclass(frozen=True)
class AnswerTable:
    """One split: `header` without the subject's column, and a row of cells for each subject."""

    split: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def build_answer_table(subjects: Sequence[Entry], split: str) -> AnswerTable | None:
    """None where no subject was calibrated or the split is empty."""
    found = []
    for entry in subjects:
        figures = (entry.get("accuracy") or {}).get(split, {})
        shipped = figures.get("shipped")
        if shipped is not None and shipped["n_real"] + shipped["n_fake"]:
            found.append((short_label(entry, subjects), figures))
    if not found:
        return None
    generators = tuple(found[0][1]["shipped"]["per_generator"])
    rows = tuple((name, _build_cells(figures, generators)) for name, figures in found)
    return AnswerTable(split, ("Cllr", "false alarms", "all forged", *generators), rows)


def list_answer_tables(subjects: Sequence[Entry]) -> list[AnswerTable]:
    """Of every split that has answers."""
    found = [build_answer_table(subjects, split) for split in SPLIT_TITLES]
    return [table for table in found if table is not None]


def _build_cells(figures: Mapping[str, Any], generators: Sequence[str]) -> tuple[Cell, ...]:
    """The cells of one subject from its figures on the split."""
    shipped = figures["shipped"]
    alarms = f"{shipped['false_alarms']} of {shipped['n_real']}"
    best = figures["min_cllr"]
    cells = [
        Cell(format_share(figures["cllr"]), "" if best is None else f"min {best:.3f}"),
        Cell(alarms, format_interval(shipped["fpr_interval"])),
        Cell(format_share(shipped["tpr"]), format_unsure(shipped["inconclusive_fake"])),
    ]
    for name in generators:
        own = shipped["per_generator"][name]
        cells.append(Cell(format_share(own["tpr"]), format_unsure(own["inconclusive"])))
    return tuple(cells)


def render_answers(table: AnswerTable) -> str:
    """The table as GitHub Markdown."""
    rows = [[name, *(cell.to_markdown() for cell in cells)] for name, cells in table.rows]
    return markdown_table(Table(["subject", *table.header], rows, left=(0,)))
