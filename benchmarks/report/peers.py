"""Peers in the report: who was timed beside the students, the aims, and the roofline's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure.subject import engine_titles
from benchmarks.report.roofline import build_roofline_legend, draw_roofline
from benchmarks.report.tables import format_milliseconds
from gazeclip.console.tables import MISSING, Table, markdown_table

Row = Mapping[str, Any]
HEADER = [
    "network",
    "engine",
    "px",
    "p50 ms",
    "MB",
    "GMAC",
    "MB at least",
    "op/byte",
    "Gop/s",
    "of the bound",
    "form or state",
]
ROOFLINE_NOTE = (
    "How far a network is from what this machine can do. An operation is a multiplication or a "
    "sum; bytes are the weights, the input and the outputs once, the least that any execution must "
    "read and write (INT8: one byte a value). The roof is the lower of the memory's rate times "
    "operations for each byte, and the highest rate at which the machine multiplies matrices."
)


def build_peers_context(peers: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the template shows."""
    if peers is None:
        return {"peers": None}
    shown = {
        "lead": f"{peers['note']} {_describe_setting(peers)}",
        "table": build_peer_table(peers["rows"]),
        "aims": build_aim_table(peers["aims"]),
        "limits": describe_limits(peers["limits"]),
        "roofline": draw_roofline(peers),
        "roofline_note": ROOFLINE_NOTE,
        "sentence": summarise_peers(peers),
        "legend": build_roofline_legend(peers),
        "disturbed": any(row["disturbed"] for row in peers["rows"]),
    }
    return {"peers": shown}


def _describe_setting(peers: Mapping[str, Any]) -> str:
    threads = peers["threads"]
    return (
        f"Batch {peers['batch']}, {threads} thread{'s' if threads > 1 else ''}, medians of "
        f"{peers['rounds']} interleaved rounds."
    )


def build_peer_table(rows: Sequence[Row]) -> Table:
    """A row for each network, engine and precision, the slowest first; what failed comes last."""
    titles = engine_titles()
    order = sorted(rows, key=lambda row: -(row["p50_ms"] or 0.0))
    cells = []
    for row in order:
        mark = " *" if row["disturbed"] else ""
        time = MISSING if row["p50_ms"] is None else f"{format_milliseconds(row['p50_ms'])}{mark}"
        of_bound = MISSING if row["of_bound"] is None else f"{row['of_bound']:.0%}"
        cells.append(
            [
                str(row["name"]),
                f"{titles[row['engine']]} {row['precision']}",
                str(row["image_size"]),
                time,
                _format_scaled(row["size_mb"], 1.0, 1),
                _format_scaled(row["macs"], 1e9, 2),
                _format_scaled(row["least_bytes"], 1e6, 1),
                _format_scaled(row["intensity"], 1.0, 0),
                _format_scaled(row["gops"], 1.0, 1),
                of_bound,
                row["form"] if row["p50_ms"] is not None else row["state"],
            ]
        )
    return Table(HEADER, cells, left=(0, 1, len(HEADER) - 1))


def _format_scaled(value: float | None, unit: float, digits: int) -> str:
    return MISSING if value is None else f"{value / unit:.{digits}f}"


def build_aim_table(aims: Sequence[Row]) -> Table:
    """A row for each aim."""
    cells = []
    for aim in aims:
        ratio = MISSING if aim["ratio"] is None else f"{aim['ratio']:.1f}x"
        met = {None: "not measured", True: "yes", False: "no"}[aim["met"]]
        cells.append([aim["of"], aim["against"], f"{aim['aim']:g}x", ratio, met])
    header = ["as fast as", "compared with", "aim", "measured", "met"]
    return Table(header, cells, left=(0, 1))


def describe_limits(limits: Mapping[str, Any]) -> str:
    """The machine in one sentence."""
    parts = []
    for precision, title in (("fp32", "fp32"), ("int8", "INT8")):
        rate = limits[f"{precision}_gops"]
        if rate is not None:
            parts.append(f"{rate:.0f} Gop/s in {title} ({limits[f'{precision}_by']})")
    parts.append(f"{limits['bandwidth_gb_s']:.1f} GB/s copied")
    sentence = f"This machine at most: {', '.join(parts)}."
    if limits["fp32_gops"] and limits["int8_gops"]:
        gain = limits["int8_gops"] / limits["fp32_gops"]
        sentence += f" INT8 can gain {gain:.1f}x over fp32 here where products alone count."
    return sentence


def summarise_peers(peers: Mapping[str, Any] | None) -> str:
    """The aims in one sentence; empty where nothing was measured."""
    if peers is None:
        return ""
    found = [aim for aim in peers["aims"] if aim["ratio"] is not None]
    clauses = [
        f"{aim['of']} is {aim['ratio']:.1f} times as fast as {aim['against']} (aim {aim['aim']:g})"
        for aim in found
    ]
    if not clauses:
        return ""
    return f"With random weights, in the same rounds: {'; '.join(clauses)}."


def render_peers_markdown(peers: Mapping[str, Any] | None) -> list[str]:
    """The section of report.md; nothing where they were not measured."""
    context = build_peers_context(peers)["peers"]
    if context is None:
        return []
    lines = ["", "## Peers in the same rounds", "", context["lead"]]
    lines += ["", markdown_table(context["aims"]), "", markdown_table(context["table"])]
    lines += ["", context["limits"], "", ROOFLINE_NOTE]
    if context["disturbed"]:
        lines += ["", "\\* other work disturbed these rounds, and repeating them did not help."]
    return lines
