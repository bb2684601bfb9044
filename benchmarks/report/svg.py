"""Enough SVG for the report's plots.

Drawn by hand so that they follow the page's colours and need no font.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

CHAR_WIDTH = 7.4  # of the widest common font at 12 px and medium weight; for placing labels only


class Canvas:
    """Collects elements.

    `render_svg` gives one `<svg>` that scales with its container and whose title is read aloud.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width = width
        self.height = height
        self.title = title
        self._parts: list[str] = []

    def _add_element(self, tag: str, hint: str = "", text: str = "", **attributes: object) -> None:
        given = {
            key.rstrip("_").replace("_", "-"): value
            for key, value in attributes.items()
            if value is not None
        }
        listed = "".join(f' {key}="{_format_value(value)}"' for key, value in given.items())
        inner = (f"<title>{escape(hint)}</title>" if hint else "") + escape(text)
        self._parts.append(f"<{tag}{listed}>{inner}</{tag}>" if inner else f"<{tag}{listed}/>")

    def draw_line(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        class_: str = "grid",
        style: str | None = None,
    ) -> None:
        self._add_element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_, style=style)

    def draw_rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        style: str | None = None,
        hint: str = "",
        rx: float | None = None,
    ) -> None:
        self._add_element(
            "rect",
            hint,
            x=x,
            y=y,
            width=max(0.0, width),
            height=max(0.0, height),
            rx=rx,
            style=style,
        )

    def draw_circle(
        self,
        x: float,
        y: float,
        r: float,
        style: str | None = None,
        hint: str = "",
        class_: str | None = None,
    ) -> None:
        self._add_element("circle", hint, cx=x, cy=y, r=r, style=style, class_=class_)

    def draw_path(
        self, points: list[tuple[float, float]], style: str, hint: str = "", close: bool = False
    ) -> None:
        if points:
            d = "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in points) + ("Z" if close else "")
            self._add_element("path", hint, d=d, style=style)

    def draw_text(
        self,
        x: float,
        y: float,
        text: str,
        anchor: str = "start",
        class_: str | None = None,
        rotate: float | None = None,
        style: str | None = None,
    ) -> None:
        turn = (
            f"rotate({_format_value(rotate)} {_format_value(x)} {_format_value(y)})"
            if rotate is not None
            else None
        )
        self._add_element(
            "text",
            "",
            text,
            x=x,
            y=y,
            text_anchor=anchor,
            class_=class_,
            transform=turn,
            style=style,
        )

    def render_svg(self) -> str:
        size = f'viewBox="0 0 {_format_value(self.width)} {_format_value(self.height)}"'
        title = escape(self.title, quote=True)
        return f'<svg {size} role="img" aria-label="{title}">{"".join(self._parts)}</svg>'


def _format_value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return escape(str(value), quote=True)


@dataclass(frozen=True)
class Scale:
    """Maps data to pixels, linearly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        ends = (self.low, self.high, value)
        low, high, x = map(math.log10, ends) if self.log else ends
        return self.start + (x - low) / (high - low) * (self.end - self.start)

    def round_ticks(self, about: int = 5) -> list[float]:
        """Round values inside the range."""
        if self.log:
            return _log_ticks(self.low, self.high)
        return _linear_ticks(self.low, self.high, about)


def _linear_ticks(low: float, high: float, about: int) -> list[float]:
    # The smallest round step that gives at most about as many ticks as asked for.
    raw = (high - low) / max(1, about)
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    # 1, 2 and 5 of every decade, or where that is too many the decades alone.
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [m * 10.0**k for k in decades for m in (1, 2, 5) if low <= m * 10.0**k <= high]
    return ticks if len(ticks) <= 7 else [t for t in ticks if f"{t:e}"[0] == "1"]


Box = tuple[float, float, float, float]


def place_labels(
    labels: list[tuple[float, float, str]], inside: Box, radius: float = 6.0, height: float = 14.0
) -> list[tuple[float, float, str]]:
    """A position per label `(x, y, text)`, beside its point and off the others.

    As `(x, y of the foot of the text, anchor)`. Greedy: each takes the candidate that overlaps
    least with points and labels placed before it.
    """
    # The dots themselves are taken from the start: no label may lie on one.
    taken: list[Box] = [(x - radius, y - radius, x + radius, y + radius) for x, y, _ in labels]
    placed = []
    for x, y, text in labels:
        width = CHAR_WIDTH * len(text)
        options: list[tuple[float, Box, tuple[float, float, str]]] = []
        for rank, (dx, dy, anchor) in enumerate(_CANDIDATES):
            left = x + dx - {"start": 0.0, "end": width, "middle": width / 2}[anchor]
            box = (left, y + dy - height * 0.75, left + width, y + dy + height * 0.25)
            cost = (
                sum(_overlap_area(box, other) for other in taken)
                + 20 * _length_outside(box, inside)
                + rank
            )
            options.append((cost, box, (x + dx, y + dy, anchor)))
        _, box, position = min(options, key=lambda option: option[0])
        taken.append(box)
        placed.append(position)
    return placed


_CANDIDATES = [
    (dx, dy, anchor)
    for reach in (0.0, 13.0, 26.0, 39.0, 52.0, 65.0)
    for dx, dy, anchor in (
        (10.0, 4.0 - reach, "start"), (-10.0, 4.0 - reach, "end"), (0.0, -11.0 - reach, "middle"),
        (10.0, 4.0 + reach, "start"), (-10.0, 4.0 + reach, "end"), (0.0, 19.0 + reach, "middle"),
    )
]  # fmt: skip


def _overlap_area(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _length_outside(box: Box, inside: Box) -> float:
    return sum(
        max(0.0, gap)
        for gap in (inside[0] - box[0], inside[1] - box[1], box[2] - inside[2], box[3] - inside[3])
    )


def draw_axes(
    canvas: Canvas,
    x: Scale,
    y: Scale,
    x_label: str,
    y_label: str,
    x_format: Callable[[float], str],
    y_format: Callable[[float], str],
) -> None:
    """Grid lines, tick labels and axis names; `y.start` is the bottom edge."""
    for tick in y.round_ticks(5):
        canvas.draw_line(x.start, y(tick), x.end, y(tick))
        canvas.draw_text(x.start - 8, y(tick) + 4, y_format(tick), "end", "tick")
    for tick in x.round_ticks(5):
        canvas.draw_line(x(tick), y.start, x(tick), y.start + 4, "axis")
        canvas.draw_text(x(tick), y.start + 19, x_format(tick), "middle", "tick")
    canvas.draw_line(x.start, y.start, x.end, y.start, "axis")
    canvas.draw_text((x.start + x.end) / 2, y.start + 39, x_label, "middle", "label")
    canvas.draw_text(x.start - 8, y.end - 12, y_label, "start", "label")
