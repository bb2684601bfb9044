"""Bundles on a device in the report: one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report.tables import format_milliseconds
from gazeclip.console.tables import MISSING, Table, markdown_table

NOTE = (
    "One image at a time, timed on the device itself, by adb with LiteRT's benchmark_model: no "
    "rounds are interleaved there, and an older tool tells the mean only. Ready: from the file to "
    "the first inference. MB: what the process grew by."
)
HEADER = ["bundle", "p50 ms", "mean ms", "min ms", "ready ms", "MB", "calls", "state"]


def build_device_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each bundle, those that did not run with the reason."""
    cells = []
    for row in rows:
        times = [
            MISSING if row[key] is None else format_milliseconds(row[key])
            for key in ("p50_ms", "mean_ms", "min_ms", "init_ms")
        ]
        peak = MISSING if row["peak_mb"] is None else f"{row['peak_mb']:.1f}"
        calls = MISSING if row["calls"] is None else str(row["calls"])
        cells.append([str(row["name"]), *times, peak, calls, str(row["state"])])
    return Table(HEADER, cells, left=(0, len(HEADER) - 1))


def build_device_context(device: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the template shows."""
    if device is None:
        return {"device": None}
    table = build_device_table(device["rows"])
    return {"device": {"label": device["label"], "note": NOTE, "table": table}}


def render_device_markdown(device: Mapping[str, Any] | None) -> list[str]:
    """The section of report.md; nothing where none was named."""
    if device is None:
        return []
    table = markdown_table(build_device_table(device["rows"]))
    return ["", f"## On {device['label']}", "", NOTE, "", table]
