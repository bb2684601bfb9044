"""Threads, batches, fresh processes and stages in the report: tables, and a bar for each bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report.svg import Canvas, Scale
from benchmarks.report.tables import format_milliseconds
from gazeclip.console.tables import MISSING, Table, markdown_table

Row = Mapping[str, Any]
# Of `Verdict.timings_ms`, in the order in which they happen; decoding includes cutting and scaling.
STAGES = {
    "decode": "decode, cut, scale",
    "detect": "find faces",
    "inference": "inference",
    "post": "decide",
}
# Of the inference: what the file without the part is faster by.
PARTS = {"gaze": "gaze adds ms", "pixels": "bytes to floats add ms"}
COLOURS = ("var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)")
WIDTH = 1000.0
LEFT = 130.0
RIGHT = 90.0
ROW = 34.0
BAR = 18.0
TOP = 8.0
BOTTOM = 48.0
NOTE = (
    "Batches: median time of a whole batch. Fresh processes: medians of several cold starts "
    "(GAZECLIP_MODEL_CACHE=off: from the second start on OpenVINO otherwise takes what it compiled "
    "from the user's cache, and is faster); import of the runtime, loading of the bundle with all "
    "its checks, and the first verdict on a 12-megapixel JPEG with one drawn face, the face "
    "detector's loading included; peak memory is that of the process until its last verdict. Parts "
    "of an inference: the file's own graph with and without the branch and head of the gaze, and "
    "from normalised floats instead of bytes, called directly in the same interleaved rounds."
)
NO_ENERGY = (
    " Energy was not measured: no counter of the processor's can be read here (powercap), or it "
    "stands still."
)


def build_sweep_table(rows: Sequence[Row]) -> Table:
    """A row for each bundle, a column for each setting."""
    settings = list(dict.fromkeys((row["threads"], row["batch"]) for row in rows))
    header = ["bundle"]
    for threads, batch in settings:
        header.append(f"{threads} thread{'s' if threads > 1 else ''},\nbatch {batch}")
    cells: dict[str, dict[tuple[int, int], str]] = {}
    for row in rows:
        mark = " *" if row["disturbed"] else ""
        text = f"{format_milliseconds(row['p50'])} ms ({row['images_per_s']:.0f}/s){mark}"
        cells.setdefault(str(row["name"]), {})[row["threads"], row["batch"]] = text
    table = []
    for name, found in cells.items():
        table.append([name, *(found.get(setting, MISSING) for setting in settings)])
    return Table(header, table, left=(0,))


def build_start_table(rows: Sequence[Row]) -> Table:
    """A row for each bundle: its start by part, in all, and its memory."""
    parts = list(rows[0]["start_ms"]) if rows else []
    table = []
    for row in rows:
        spans = [row["start_ms"][part] for part in parts]
        peak = MISSING if row["peak_mb"] is None else f"{row['peak_mb']:.0f}"
        cells = [f"{span:.0f}" for span in (*spans, sum(spans))]
        table.append([str(row["name"]), *cells, peak])
    header = ["bundle", *(f"{part} ms" for part in parts), "in all ms", "peak MB"]
    return Table(header, table, left=(0,))


def build_part_table(rows: Sequence[Row]) -> Table:
    """A row for each bundle whose file was cut: the whole inference, and what two parts add."""
    table = []
    for row in rows:
        if row["whole_ms"] is None:
            table.append([str(row["name"]), *[MISSING] * (1 + len(PARTS))])
            continue
        mark = " *" if row["disturbed"] else ""
        cells = [f"{format_milliseconds(row['whole_ms'])}{mark}"]
        for part in PARTS:
            added = row[f"{part}_ms"]
            cells.append(f"{added:+.2f} ({added / row['whole_ms']:+.0%})")
        table.append([str(row["name"]), *cells])
    return Table(["bundle", "inference ms", *PARTS.values()], table, left=(0,))


def build_energy_table(energy: Mapping[str, Any]) -> Table:
    """A row for each bundle; above the idle processor's is what it adds."""
    table = []
    for row in energy["rows"]:
        above = row["mj"] * (1 - energy["idle_w"] / row["watts"])
        cells = [f"{row['mj']:.2f}", f"{above:.2f}", f"{row['watts']:.1f}"]
        table.append([str(row["name"]), *cells])
    header = ["bundle", "mJ an inference", "above idle mJ", f"W (idle {energy['idle_w']:.1f})"]
    return Table(header, table, left=(0,))


def draw_stages(rows: Sequence[Row]) -> str | None:
    """One bar a bundle, a part of it for each stage of one verdict."""
    shown = [row for row in rows if row["stages_ms"]]
    if not shown:
        return None
    height = TOP + ROW * len(shown) + BOTTOM
    most = max(sum(row["stages_ms"].values()) for row in shown)
    x = Scale(0.0, most, LEFT, WIDTH - RIGHT)
    canvas = Canvas(WIDTH, height, "Milliseconds of one verdict by stage")
    bottom = TOP + ROW * len(shown)
    for tick in x.round_ticks(6):
        canvas.draw_line(x(tick), TOP, x(tick), bottom)
        canvas.draw_text(x(tick), bottom + 18, f"{tick:g}", "middle", "tick")
    canvas.draw_text((x.start + x.end) / 2, bottom + 38, "ms for one verdict", "middle", "label")
    for place, row in enumerate(shown):
        top = TOP + ROW * place + (ROW - BAR) / 2
        canvas.draw_text(LEFT - 8, top + 13, str(row["name"]), "end", "tick")
        _draw_bar(canvas, x, top, row["stages_ms"])
    return canvas.render_svg()


def _draw_bar(canvas: Canvas, x: Scale, top: float, spent: Mapping[str, float]) -> None:
    """The stages of one verdict from left to right, and their sum behind them."""
    at = 0.0
    for (key, title), colour in zip(STAGES.items(), COLOURS, strict=True):
        value = spent.get(key)
        if value is None:
            continue
        hint = f"{title}: {format_milliseconds(value)} ms"
        canvas.draw_rect(x(at), top, x(at + value) - x(at), BAR, f"fill:{colour}", hint)
        at += value
    canvas.draw_text(x(at) + 6, top + 13, f"{format_milliseconds(at)} ms", "start", "value")


def build_speed_context(speed: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the template shows."""
    if not speed or not (speed["sweep"] or speed["starts"]):
        return {"speed": None}
    tables = []
    if speed["sweep"]:
        tables.append(("Threads and batches", build_sweep_table(speed["sweep"])))
    if speed["starts"]:
        tables.append(("Fresh processes", build_start_table(speed["starts"])))
    if speed.get("parts"):
        tables.append(("Parts of an inference", build_part_table(speed["parts"])))
    if speed.get("energy"):
        tables.append(("Energy of the processor's packages", build_energy_table(speed["energy"])))
    missing = NO_ENERGY if speed["starts"] and not speed.get("energy") else ""
    pairs = zip(STAGES.values(), COLOURS, strict=True)
    legend = [{"label": title, "colour": colour} for title, colour in pairs]
    shown = {
        "tables": tables,
        "stages": draw_stages(speed["starts"]),
        "legend": legend,
        "note": NOTE + missing,
        "disturbed": any(row["disturbed"] for row in (*speed["sweep"], *speed.get("parts", ()))),
    }
    return {"speed": shown}


def render_speed_markdown(speed: Mapping[str, Any] | None) -> list[str]:
    """The section of report.md; nothing where it was not measured."""
    context = build_speed_context(speed)["speed"]
    if context is None:
        return []
    lines = ["", "## Threads, batches, fresh processes", "", context["note"]]
    for title, table in context["tables"]:
        lines += ["", f"{title}:", "", markdown_table(table)]
    if speed is not None and speed["starts"]:
        rows = []
        for row in speed["starts"]:
            spent = row["stages_ms"]
            cells = [f"{spent[key]:.2f}" if key in spent else MISSING for key in STAGES]
            rows.append([str(row["name"]), *cells])
        header = ["bundle", *(f"{title} ms" for title in STAGES.values())]
        lines += ["", "Stages of one verdict:", "", markdown_table(Table(header, rows, left=(0,)))]
    if context["disturbed"]:
        lines += ["", "\\* other work disturbed these rounds, and repeating them did not help."]
    return lines
