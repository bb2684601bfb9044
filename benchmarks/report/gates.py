"""What the gate said of each smaller file, and the same drops on test, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gazeclip.console.tables import MISSING, Table, markdown_table
from gazeclip.scoring.drops import FIGURES, title_figure

Drop = Mapping[str, Any]
HEADER = ("figure", "fp32", "file", "worse by, val", "allowed", "outcome", "worse by, test")
NOTE = (
    "Each file against the fp32 file of the same engine, both at their own thresholds; in brackets "
    "the bounds of the loss, each with 95% confidence. Val decides; test shows whether it holds."
)


def build_tables(gates: Sequence[Mapping[str, Any]]) -> list[Table]:
    """A table for each entry of `benchmarks.measure.twins.build_gates`."""
    return [_build_table(entry) for entry in gates]


def _build_table(entry: Mapping[str, Any]) -> Table:
    on_val = {drop["figure"]: drop for drop in entry["val"]}
    on_test = {drop["figure"]: drop for drop in entry["test"]}
    rows = [
        _format_row(on_val.get(name), on_test.get(name))
        for name in FIGURES
        if name in on_val or name in on_test
    ]
    said = "the gate was off"
    if entry["accepted"] is not None:
        said = f"{entry['outcome']}, {'accepted' if entry['accepted'] else 'rejected'}"
    agree = [
        f"{entry[key]:.1%} on {key.removesuffix('_agreement')}"
        for key in ("val_agreement", "test_agreement")
        if entry[key] is not None
    ]
    title = f"{entry['after']}: {said}. Verdicts that agree: {', '.join(agree)}"
    return Table(HEADER, rows, title=title, left=(0, 5))


def _format_row(val: Drop | None, test: Drop | None) -> tuple[str, ...]:
    """`val` is None where the gate was off, `test` where the twin is not measured."""
    shown: Drop = val or test or {}
    name = title_figure(shown["figure"], shown["generator"])
    decided = (MISSING,) * 3
    if val is not None:
        decided = (_format_drop(val), f"{val['limit']:g}", val["outcome"])
    figures = (_format_figure(shown["before"]), _format_figure(shown["after"]))
    on_test = MISSING
    if test is not None:
        on_test = _format_drop(test)
        if test["generator"] is not None:  # the worst one there, which may be another
            on_test = f"{on_test} {test['generator']}"
    return (name, *figures, *decided, on_test)


def _format_figure(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4f}"


def _format_drop(drop: Drop) -> str:
    bounds = (MISSING if drop[key] is None else f"{drop[key]:+.4f}" for key in ("low", "high"))
    seen = MISSING if drop["drop"] is None else f"{drop['drop']:+.4f}"
    return f"{seen} [{', '.join(bounds)}]"


def render_gates_markdown(gates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines for report.md; none without a smaller file."""
    if not gates:
        return []
    lines = ["", "## The gate", "", NOTE]
    for table in build_tables(gates):
        lines += ["", f"**{table.title}**", "", markdown_table(table)]
    return lines
