"""Bundles on a device in the report: one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report.tables import format_milliseconds
from gazeclip.console.tables import MISSING, Table, markdown_table

NOTE = (
    "One image at a time, timed on the device itself, one bundle after the other: no rounds are "
    "interleaved there."
)
# Of what only a tool behind adb tells.
TOOL_NOTE = (
    "By LiteRT's benchmark_model, of which an older one tells the mean only. Ready: from the file "
    "to the first inference. MB: what the process grew by."
)
HEADER = ["bundle", "threads", "p50 ms", "mean ms", "min ms", "ready ms", "MB", "calls", "state"]


def build_device_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each bundle, those that did not run with the reason."""
    cells = []
    for row in rows:
        times = [
            MISSING if row[key] is None else format_milliseconds(row[key])
            for key in ("p50_ms", "mean_ms", "min_ms", "init_ms")
        ]
        threads = MISSING if row["threads"] is None else str(row["threads"])
        peak = MISSING if row["peak_mb"] is None else f"{row['peak_mb']:.1f}"
        calls = MISSING if row["calls"] is None else str(row["calls"])
        cells.append([str(row["name"]), threads, *times, peak, calls, str(row["state"])])
    return Table(HEADER, cells, left=(0, len(HEADER) - 1))


def describe_device(device: Mapping[str, Any]) -> str:
    """How the figures came about: threads are the tool's, and Core ML tells none."""
    by_tool = any(row["threads"] is not None for row in device["rows"])
    return f"{NOTE} {TOOL_NOTE}" if by_tool else NOTE


def build_device_context(device: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the template shows."""
    if device is None:
        return {"device": None}
    table = build_device_table(device["rows"])
    return {"device": {"label": device["label"], "note": describe_device(device), "table": table}}


def render_device_markdown(device: Mapping[str, Any] | None) -> list[str]:
    """The section of report.md; nothing where none was named."""
    if device is None:
        return []
    table = markdown_table(build_device_table(device["rows"]))
    return ["", f"## On {device['label']}", "", describe_device(device), "", table]
