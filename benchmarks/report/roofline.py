"""The roofline figure: operations a second over operations for each byte, both by logarithm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure.subject import engine_titles
from benchmarks.report.svg import Canvas, Scale, draw_axes, place_labels

Row = Mapping[str, Any]
WIDTH = 1000.0
HEIGHT = 460.0
LEFT = 60.0
RIGHT = 30.0
TOP = 40.0
BOTTOM = 54.0
DOT = 5.0
_ROOM = 1.6  # factor between the outermost figures and the edges
_ROOFS = (("fp32", "fp32", "6 4"), ("int8", "INT8", ""))


def draw_roofline(peers: Mapping[str, Any]) -> str | None:
    """A dot for each row that was measured, beneath the roofs; None where there is none."""
    rows = [row for row in peers["rows"] if row["gops"] is not None]
    if not rows:
        return None
    limits = peers["limits"]
    roofs = [(roof, limits[f"{roof[0]}_gops"]) for roof in _ROOFS]
    peaks = [peak for _, peak in roofs if peak is not None]
    intensities = [row["intensity"] for row in rows]
    # So far to the left that the slope of the memory's rate can be seen.
    ridges = [peak / limits["bandwidth_gb_s"] for peak in peaks]
    low = min([*intensities, *ridges]) / _ROOM
    high = max([*intensities, *ridges]) * _ROOM
    rates = [row["gops"] for row in rows]
    x = Scale(low, high, LEFT, WIDTH - RIGHT, log=True)
    bottom = min([*rates, *peaks]) / _ROOM
    y = Scale(bottom, max([*rates, *peaks]) * _ROOM, HEIGHT - BOTTOM, TOP, log=True)
    canvas = Canvas(WIDTH, HEIGHT, "Roofline: operations a second against operations for each byte")
    draw_axes(
        canvas,
        x,
        y,
        "operations for each byte of weights, input and outputs (log)",
        "10^9 operations a second (log)",
        lambda value: f"{value:g}",
        lambda value: f"{value:g}",
    )
    for (precision, title, dashes), peak in roofs:
        if peak is not None:
            _draw_roof(canvas, x, y, limits["bandwidth_gb_s"], peak, title, dashes, precision)
    _draw_dots(canvas, x, y, rows)
    return canvas.render_svg()


def _draw_roof(
    canvas: Canvas,
    x: Scale,
    y: Scale,
    bandwidth: float,
    peak: float,
    title: str,
    dashes: str,
    precision: str,
) -> None:
    """Up with the memory's rate, then level at the highest rate of products."""
    ridge = peak / bandwidth
    start = max(x.low, y.low / bandwidth)
    points = [(x(start), y(start * bandwidth)), (x(ridge), y(peak)), (x.end, y(peak))]
    style = "fill:none;stroke:var(--ink);stroke-width:1.5"
    if dashes:
        style += f";stroke-dasharray:{dashes}"
    canvas.draw_path(points, style, f"{precision}: at most {peak:.0f} 10^9 operations a second")
    canvas.draw_text(x.end, y(peak) - 6, f"{title}, {peak:.0f}", "end", "tick")


def _draw_dots(canvas: Canvas, x: Scale, y: Scale, rows: Sequence[Row]) -> None:
    """Filled for INT8, a ring for floats; a network's name stands once, at its fastest row."""
    fastest: dict[str, Row] = {}
    for row in rows:
        best = fastest.get(row["name"])
        if best is None or row["gops"] > best["gops"]:
            fastest[row["name"]] = row
        colour = _find_colour(row["engine"])
        style = f"fill:{colour};stroke:{colour};stroke-width:2"
        if row["precision"] != "int8":
            style = f"fill:var(--card);stroke:{colour};stroke-width:2"
        hint = (
            f"{row['name']}, {engine_titles()[row['engine']]} {row['precision']}: "
            f"{row['gops']:.1f} 10^9 operations a second, {row['p50_ms']:.2f} ms"
        )
        if row["of_bound"] is not None:
            hint += f", {row['of_bound']:.0%} of the bound"
        canvas.draw_circle(x(row["intensity"]), y(row["gops"]), DOT, style, hint)
    named = {id(row): name for name, row in fastest.items()}
    # The other dots have no name, and none may lie on them.
    labels = [(x(row["intensity"]), y(row["gops"]), named.get(id(row), "")) for row in rows]
    labels.sort(key=lambda label: not label[2])
    inside = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
    for place, (_, _, name) in zip(place_labels(labels, inside), labels, strict=True):
        left, foot, anchor = place
        if name:
            canvas.draw_text(left, foot, name, anchor, "tick")


def _find_colour(engine: str) -> str:
    return f"var(--c{list(engine_titles()).index(engine) + 1})"  # the style sheet counts from 1


def build_roofline_legend(peers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The colours of the engines that have a dot."""
    found = dict.fromkeys(row["engine"] for row in peers["rows"] if row["gops"] is not None)
    titles = engine_titles()
    return [{"label": titles[name], "colour": _find_colour(name)} for name in found]
