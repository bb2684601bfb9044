"""The figure: pitch and yaw of each generator over those of the real images, and the spreads."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gazeclip.files.atomic import atomic_write
from gazeclip.studies.gaze_stats.compare import ANGLES, Group
from gazeclip.studies.gaze_stats.report import LEVEL
from gazeclip.system.packages import require
from gazeclip.taxonomy import FAMILIES, REAL

# Okabe and Ito's colours, which stay apart for the colour-blind.
COLOURS = {
    "graphics": "#D55E00",
    "gan": "#0072B2",
    "diffusion": "#00805E",
    "flow": "#B0568F",
    "unknown": "#7A6A00",
}
INK = "#222222"
GREY = "#666666"
INNER = "#b9b9b9"
OUTER = "#e4e4e4"
PANELS_PER_ROW = 4
MASSES = (0.9, 0.5)  # outer and inner contour hold this share of the images
MIN_CONTOUR = 40  # with fewer points a contour is an invention
GRID = 90  # points per axis at which a density is computed
MAX_KERNELS = 1500
STYLE = {
    "svg.hashsalt": "gaze-stats",
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.edgecolor": "#999999",
    "axes.linewidth": 0.7,
}
Limits = tuple[tuple[float, float], tuple[float, float]]  # of yaw, of pitch
Contours = tuple[np.ndarray, np.ndarray, np.ndarray, list[float]]  # x, y, density, levels


def save_figure(
    path: Path, groups: Mapping[str, Group], report: Mapping[str, Any], kind: str = "svg"
) -> None:
    """Draw and write; the same figures give the same bytes.

    Args:
        groups: real and forged, from `group_by_label`.
        kind: a format of matplotlib.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    matplotlib = require("matplotlib", extra="bench")
    with matplotlib.rc_context(STYLE):
        figure = _draw_figure(groups, report)
        metadata = None
        if kind == "svg":  # without a date, so that equal figures are equal bytes
            metadata = {"Date": None, "Title": "Gaze of real and forged faces"}
        atomic_write(
            path,
            lambda temporary: figure.savefig(temporary, format=kind, metadata=metadata, dpi=110),
        )


def contour_levels(density: np.ndarray, masses: Sequence[float] = MASSES) -> list[float]:
    """The densities above which each share of the total lies, ascending.

    `density` on a regular grid, any shape.
    """
    ordered = np.sort(density.ravel())[::-1]
    share = np.cumsum(ordered) / ordered.sum()
    levels = []
    for mass in sorted(masses, reverse=True):
        place = min(int(np.searchsorted(share, mass)), len(ordered) - 1)
        levels.append(float(ordered[place]))
    return levels


def kernel_density(points: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gaussian kernel density `(len(y), len(x))` of `points (N, 2)`.

    Kernels have the covariance of the points and Scott's bandwidth.
    """
    factor = len(points) ** (-1 / 6)  # Scott's rule in two dimensions
    chosen = points
    if len(points) > MAX_KERNELS:
        chosen = np.random.default_rng(0).choice(points, MAX_KERNELS, replace=False)
    # In whitened coordinates every kernel is round and of size 1.
    whiten = np.linalg.inv(np.linalg.cholesky(np.cov(points.T) * factor**2 + 1e-9 * np.eye(2)))
    grid = np.stack([axis.ravel() for axis in np.meshgrid(x, y)], axis=1) @ whiten.T
    density = np.zeros(len(grid))
    for kernel in chosen @ whiten.T:
        density += np.exp(-0.5 * ((grid - kernel) ** 2).sum(axis=1))
    return density.reshape(len(y), len(x))


@dataclass(frozen=True)
class Layout:
    """Where things go, in inches from the top left; panels keep the proportions of their axes."""

    names: tuple[str, ...]
    limits: Limits
    left: float = 0.7
    right: float = 0.12
    top: float = 0.95
    gap: float = 0.14
    between: float = 0.34  # room for a panel's title
    strip_left: float = 1.75
    row: float = 0.25

    @property
    def n_columns(self) -> int:
        return min(PANELS_PER_ROW, max(3, len(self.names)))

    @property
    def width(self) -> float:
        return 3.1 * self.n_columns

    @property
    def panel_size(self) -> tuple[float, float]:
        width = (
            self.width - self.left - self.right - self.gap * (self.n_columns - 1)
        ) / self.n_columns
        (left, right), (bottom, top) = self.limits
        return width, width * (top - bottom) / (right - left)

    @property
    def strip_top(self) -> float:
        lines = math.ceil(len(self.names) / self.n_columns)
        return self.top + lines * self.panel_size[1] + (lines - 1) * self.between + 0.9

    @property
    def height(self) -> float:
        return self.strip_top + self.row * len(self.names) + 0.75

    def place_box(
        self, x: float, y: float, width: float, height: float
    ) -> tuple[float, float, float, float]:
        """As matplotlib wants it: fractions, from the bottom left."""
        return (
            x / self.width,
            1 - (y + height) / self.height,
            width / self.width,
            height / self.height,
        )

    def panel_box(self, number: int) -> tuple[float, float, float, float]:
        """The panel of this number, row by row."""
        width, height = self.panel_size
        line, column = divmod(number, self.n_columns)
        return self.place_box(
            self.left + column * (width + self.gap),
            self.top + line * (height + self.between),
            width,
            height,
        )

    def strip_box(self, number: int) -> tuple[float, float, float, float]:
        """The left (0) and the right (1) plot of spreads."""
        width = (self.width - self.strip_left - self.right - 0.3) / 2
        return self.place_box(
            self.strip_left + number * (width + 0.3),
            self.strip_top,
            width,
            self.row * len(self.names),
        )


def _draw_figure(groups: Mapping[str, Group], report: Mapping[str, Any]) -> Any:
    rows = {row["name"]: row for row in report["generators"]}
    layout = Layout((REAL, *rows), _find_limits([group.gaze for group in groups.values()]))
    figure = require("matplotlib.figure", extra="bench").Figure(
        figsize=(layout.width, layout.height), facecolor="white"
    )
    real = _compute_contours(groups[REAL].gaze, layout.limits)
    for number, name in enumerate(layout.names):
        axes = figure.add_axes(layout.panel_box(number))
        _draw_panel(axes, groups[name], rows.get(name), real, layout.limits)
        first = number % layout.n_columns == 0
        last = number + layout.n_columns >= len(layout.names)
        axes.tick_params(labelleft=first, labelbottom=last)
        axes.set_ylabel("pitch, rad (up is +)" if first else "")
        axes.set_xlabel("yaw, rad (left of the image is +)" if last else "")
    _draw_spreads(figure, layout, report)
    start = layout.place_box(layout.left, 0.3, 0, 0)[0]
    about = (
        "grey: real images, areas that hold 50% and 90%; "
        "colour: a generator's images, and contours that hold as many"
    )
    figure.text(
        start,
        layout.place_box(0, 0.32, 0, 0)[1],
        "Gaze of real and forged faces",
        fontsize=13,
        fontweight="bold",
        color=INK,
    )
    figure.text(
        start,
        layout.place_box(0, 0.57, 0, 0)[1],
        f"{about} ({report['gaze']['source']})",
        fontsize=9,
        color=GREY,
    )
    return figure


def _find_limits(gazes: Sequence[np.ndarray]) -> Limits:
    """Common yaw and pitch range: 99% of each group.

    One stray point then does not shrink all panels.
    """
    spans = []
    for axis in (1, 0):
        low = min(float(np.quantile(gaze[:, axis], 0.005)) for gaze in gazes)
        high = max(float(np.quantile(gaze[:, axis], 0.995)) for gaze in gazes)
        pad = 0.06 * max(high - low, 0.02)
        spans.append((low - pad, high + pad))
    return spans[0], spans[1]


def _compute_contours(gaze: np.ndarray, limits: Limits) -> Contours:
    x, y = (np.linspace(*span, GRID) for span in limits)
    density = kernel_density(gaze[:, ::-1], x, y)
    return x, y, density, contour_levels(density)


def _draw_panel(
    axes: Any,
    group: Group,
    row: Mapping[str, Any] | None,
    real: Contours,
    limits: Limits,
) -> None:
    x, y, density, levels = real
    axes.contourf(x, y, density, levels=[*levels, density.max() * 1.01], colors=[OUTER, INNER])
    colour = INK if row is None else COLOURS[row["family"]]
    yaw = group.gaze[:, 1]
    pitch = group.gaze[:, 0]
    alpha = float(np.clip(90 / len(yaw), 0.18, 0.7))  # many points lie upon each other
    axes.scatter(yaw, pitch, s=4, color=colour, alpha=alpha, linewidths=0)
    if row is not None and len(yaw) >= MIN_CONTOUR:
        x, y, density, levels = _compute_contours(group.gaze, limits)
        axes.contour(x, y, density, levels=levels, colors=[colour], linewidths=[0.9, 1.7])
    axes.set(xlim=limits[0], ylim=limits[1])
    axes.tick_params(length=2.5, color="#999999", labelsize=8)
    axes.set_title(group.name, loc="left", fontsize=9.5, color=colour, fontweight="bold", pad=4)
    text = f"n {len(yaw)}, sd yaw {yaw.std():.2f}, pitch {pitch.std():.2f}"
    outside = _lie_outside(yaw, limits[0]) | _lie_outside(pitch, limits[1])
    if outside.any():
        text += f", {int(outside.sum())} outside"
    axes.text(
        0.02,
        0.03,
        text,
        transform=axes.transAxes,
        fontsize=7.5,
        color=INK,
        bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1.2},
    )


def _lie_outside(values: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    low, high = span
    return (values < low) | (values > high)


def _draw_spreads(figure: Any, layout: Layout, report: Mapping[str, Any]) -> None:
    """Spread per generator with its interval; filled where the spread test says it differs."""
    rows = [report["real"], *report["generators"]]
    matched = {entry["name"]: entry for entry in report["matched"]}
    ends = [end for row in rows for angle in ANGLES for end in row[angle]["std_interval"]]
    pad = 0.04 * (max(ends) - min(ends))
    for number, angle in enumerate(reversed(ANGLES)):
        axes = figure.add_axes(layout.strip_box(number))
        axes.axvspan(*report["real"][angle]["std_interval"], color=OUTER, zorder=0, linewidth=0)
        for height, row in enumerate(rows):
            _draw_spread(axes, height, row, angle, matched.get(row["name"]))
        names = [row["name"] for row in rows] if number == 0 else [""] * len(rows)
        axes.set(xlim=(min(ends) - pad, max(ends) + pad), ylim=(len(rows) - 0.4, -0.6))
        axes.set_yticks(range(len(rows)), names, fontsize=8.5)
        axes.tick_params(length=0, labelsize=8.5)
        axes.grid(axis="x", color="#eeeeee", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        title = f"{angle}: standard deviation, rad, with 95% interval"
        axes.set_title(title, loc="left", fontsize=9.5, color=INK)
    place = (layout.strip_left / layout.width, 0.04 / layout.height)
    figure.legend(
        handles=_build_legend({row["family"] for row in rows[1:]}, bool(matched)),
        loc="lower left",
        bbox_to_anchor=place,
        ncols=8,
        frameon=False,
        fontsize=8.5,
        handletextpad=0.3,
    )


def _draw_spread(
    axes: Any,
    height: int,
    row: Mapping[str, Any],
    angle: str,
    matched: Mapping[str, Any] | None,
) -> None:
    """One line of the strip: interval, spread, and that of the photographs behind forgeries."""
    is_real = "family" not in row
    part = row[angle]
    colour = INK if is_real else COLOURS[row["family"]]
    differs = is_real or part.get("spread_p_holm", 1.0) < LEVEL
    interval = part["std_interval"]
    axes.plot(interval, (height, height), color=colour, linewidth=1.6, solid_capstyle="butt")
    face = colour if differs else "white"
    axes.plot(part["std"], height, "o", color=colour, markerfacecolor=face, markersize=6)
    if matched is not None:
        std = matched[angle]["photographs_std"]
        axes.plot(std, height, "D", color=INK, markerfacecolor="none", markersize=5)


def _build_legend(families: Collection[str], matched: bool) -> list[Any]:
    """A mark per family that is there, and what filled, hollow and square ones mean."""
    line = require("matplotlib.lines", extra="bench").Line2D
    marks = []
    for family, colour in COLOURS.items():
        if family in families:
            marks.append((FAMILIES[family], "s", colour, colour))
    marks += [
        ("spread differs from real's", "o", GREY, GREY),
        ("no difference shown", "o", GREY, "white"),
    ]
    if matched:
        marks.append(("the photographs it altered", "D", INK, "none"))
    common = {"linestyle": "", "markersize": 6}
    return [
        line([], [], marker=marker, color=colour, markerfacecolor=face, label=label, **common)
        for label, marker, colour, face in marks
    ]
