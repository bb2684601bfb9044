"""What the gate said of each smaller file, and the same drops on test, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gazeclip.console.tables import MISSING, Table, markdown_table
from gazeclip.scoring.gate import FIGURES

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
    rows = [_format_row(on_val.get(drop["figure"]), drop) for drop in entry["test"]]
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


def _format_row(val: Mapping[str, Any] | None, test: Mapping[str, Any]) -> tuple[str, ...]:
    """`val` is None where the gate was off."""
    shown = val or test
    title, unit, _ = FIGURES[test["figure"]]
    name = f"{title} ({unit})" if unit else title
    if shown["generator"] is not None:
        name = f"{name}: {shown['generator']}"
    decided = (MISSING,) * 3
    if val is not None:
        decided = (_format_drop(val), f"{val['limit']:g}", val["outcome"])
    figures = (f"{shown['before']:.4f}", f"{shown['after']:.4f}")
    return (name, *figures, *decided, _format_drop(test))


def _format_drop(drop: Mapping[str, Any]) -> str:
    bounds = (MISSING if drop[key] is None else f"{drop[key]:+.4f}" for key in ("low", "high"))
    return f"{drop['drop']:+.4f} [{', '.join(bounds)}]"


def render_gates_markdown(gates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines for report.md; none without a smaller file."""
    if not gates:
        return []
    lines = ["", "## The gate", "", NOTE]
    for table in build_tables(gates):
        lines += ["", f"**{table.title}**", "", markdown_table(table)]
    return lines
