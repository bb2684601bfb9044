"""The plot of accuracy against latency, its dots labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.report.plots import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    choose_colours,
    is_float_student,
    read_figure,
    short_label,
)
from benchmarks.report.svg import Canvas, Scale, draw_axes, place_labels

Entry = Mapping[str, Any]
FAR = 30.0  # a label farther from its dot than this is joined to it by a line


class Point(NamedTuple):
    """One subject in the plot of accuracy against latency."""

    latency: float
    auc: float
    low: float
    high: float
    colour: str
    label: str
    hollow: bool


def accuracy_against_latency(entries: Sequence[Entry], split: str) -> str | None:
    """Detection AUC with its interval over median latency on a logarithmic axis."""
    points = _collect_points(entries, split)
    if not points:
        return None
    canvas = Canvas(WIDTH, HEIGHT, f"Detection AUC on {split} against median latency")
    x, y = _latency_scales(points)
    draw_axes(
        canvas,
        x,
        y,
        "median latency, ms per image (log)",
        "AUC",
        lambda v: f"{v:g}",
        lambda v: f"{v:.2f}",
    )
    for one in points:
        at = x(one.latency)
        canvas.draw_line(at, y(one.low), at, y(one.high), "whisker", f"stroke:{one.colour}")
        style = f"fill:{one.colour}"
        if one.hollow:
            style = f"fill:var(--card);stroke:{one.colour};stroke-width:2.5"
        radius = 5.5 if one.hollow else 6.0  # the ring's stroke makes up for the difference
        canvas.draw_circle(at, y(one.auc), radius, style, _describe_point(one), "dot")
    _draw_labels(canvas, x, y, points)
    return canvas.render_svg()


def _collect_points(entries: Sequence[Entry], split: str) -> list[Point]:
    """Subjects that have both figures."""
    points = []
    for entry, colour in zip(entries, choose_colours(entries), strict=True):
        latency = entry["latency_ms"]["p50"]
        auc = read_figure(entry, split, "auc")
        if latency is None or auc is None:
            continue
        low, high = read_figure(entry, split, "auc_interval") or [auc, auc]
        label = short_label(entry, entries)
        points.append(Point(latency, auc, low, high, colour, label, is_float_student(entry)))
    return points


def _describe_point(one: Point) -> str:
    interval = f"{one.low:.3f} to {one.high:.3f}"
    return f"{one.label}: AUC {one.auc:.3f} ({interval}), {one.latency:.2f} ms"


def _draw_labels(canvas: Canvas, x: Scale, y: Scale, points: Sequence[Point]) -> None:
    """The names beside the dots, off each other."""
    dots = [(x(one.latency), y(one.auc), one.label) for one in points]
    places = place_labels(dots, (LEFT, TOP, WIDTH, HEIGHT - BOTTOM))
    for (place_x, place_y, anchor), one in zip(places, points, strict=True):
        dot_x = x(one.latency)
        dot_y = y(one.auc)
        if place_y - dot_y > FAR:  # below its dot
            canvas.draw_line(dot_x, dot_y + 8, dot_x, place_y - 11, "leader")
        elif dot_y - place_y > FAR:
            canvas.draw_line(dot_x, dot_y - 8, dot_x, place_y + 4, "leader")
        tint = f"fill:color-mix(in oklab, {one.colour} 72%, var(--ink))"
        canvas.draw_text(place_x, place_y, one.label, anchor, "point", style=tint)


def _latency_scales(points: Sequence[Point]) -> tuple[Scale, Scale]:
    slow = max(one.latency for one in points)
    fast = min(one.latency for one in points)
    low = min(one.low for one in points)
    top = max(one.high for one in points)
    pad = max(0.01, (top - low) * 0.12)
    x = Scale(fast / 1.8, slow * 1.8, LEFT, WIDTH - RIGHT, log=True)
    return x, Scale(max(0.0, low - pad), min(1.005, top + pad), HEIGHT - BOTTOM, TOP)
