"""Horizontal bars as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

_ROW = 18  # pixels
_LABELS = 260
_BARS = 360
_FIGURES = 70
_TOP = 40
_COLOUR = "#3b6ea5"
_COLOUR_BELOW = "#b4b4b4"


def draw_bars(bars: Sequence[tuple[str, float]], title: str) -> str:
    """A figure of `(label, value)` from top to bottom; values below 0 are grey, to the left."""
    most = max((abs(value) for _, value in bars), default=1.0) or 1.0
    has_negative = any(value < 0 for _, value in bars)
    unit = _BARS / most / (2 if has_negative else 1)
    zero = _LABELS + (_BARS / 2 if has_negative else 0)
    width = _LABELS + _BARS + _FIGURES
    height = _TOP + _ROW * len(bars) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="10" y="22" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (label, value) in enumerate(bars):
        y = _TOP + _ROW * number
        length = abs(value) * unit
        x = zero if value >= 0 else zero - length
        colour = _COLOUR if value >= 0 else _COLOUR_BELOW
        middle = y + _ROW / 2 + 4
        parts += [
            f'<text x="{_LABELS - 8}" y="{middle}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{x:.1f}" y="{y + 3}" width="{length:.1f}" height="{_ROW - 6}" '
            f'fill="{colour}"/>',
            f'<text x="{_LABELS + _BARS + 6}" y="{middle}">{value:+.3f}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
