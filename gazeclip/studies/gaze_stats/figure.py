"""The figure: pitch and yaw of each generator over the contours of the real images, and the spreads
with their intervals.
"""

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
COLOURS = {"graphics": "#D55E00", "gan": "#0072B2", "diffusion": "#00805E", "flow": "#B0568F"}
INK, GREY, INNER, OUTER = "#222222", "#666666", "#b9b9b9", "#e4e4e4"
PANELS_PER_ROW = 4
MASSES = (0.9, 0.5)  # outer and inner contour hold this share of the images
MIN_CONTOUR = 40  # with fewer points a contour is an invention
GRID, MAX_KERNELS = 90, 1500
STYLE = {
    "svg.hashsalt": "gaze-stats",
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.edgecolor": "#999999",
    "axes.linewidth": 0.7,
}
Limits = tuple[tuple[float, float], tuple[float, float]]


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
        figure = _draw(groups, report)
        metadata = (
            {"Date": None, "Title": "Gaze of real and forged faces"} if kind == "svg" else None
        )
        atomic_write(
            path,
            lambda temporary: figure.savefig(temporary, format=kind, metadata=metadata, dpi=110),
        )


def contour_levels(density: np.ndarray, masses: Sequence[float] = MASSES) -> list[float]:
    """The densities above which each share of the total lies, ascending; `density` on a regular
    grid, any shape.
    """
    ordered = np.sort(density.ravel())[::-1]
    share = np.cumsum(ordered) / ordered.sum()
    return [
        float(ordered[min(int(np.searchsorted(share, mass)), len(ordered) - 1)])
        for mass in sorted(masses, reverse=True)
    ]


def kernel_density(points: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gaussian kernel density `(len(y), len(x))` of `points (N, 2)`, with their covariance and
    Scott's bandwidth.
    """
    factor = len(points) ** (-1 / 6)
    chosen = (
        points
        if len(points) <= MAX_KERNELS
        else np.random.default_rng(0).choice(points, MAX_KERNELS, replace=False)
    )
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
    def columns(self) -> int:
        return min(PANELS_PER_ROW, max(3, len(self.names)))

    @property
    def width(self) -> float:
        return 3.1 * self.columns

    @property
    def panel(self) -> tuple[float, float]:
        width = (self.width - self.left - self.right - self.gap * (self.columns - 1)) / self.columns
        (left, right), (bottom, top) = self.limits
        return width, width * (top - bottom) / (right - left)

    @property
    def strip_top(self) -> float:
        lines = math.ceil(len(self.names) / self.columns)
        return self.top + lines * self.panel[1] + (lines - 1) * self.between + 0.9

    @property
    def height(self) -> float:
        return self.strip_top + self.row * len(self.names) + 0.75

    def box(
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
        (width, height), (line, column) = self.panel, divmod(number, self.columns)
        return self.box(
            self.left + column * (width + self.gap),
            self.top + line * (height + self.between),
            width,
            height,
        )

    def strip_box(self, number: int) -> tuple[float, float, float, float]:
        """The left (0) and the right (1) plot of spreads."""
        width = (self.width - self.strip_left - self.right - 0.3) / 2
        return self.box(
            self.strip_left + number * (width + 0.3),
            self.strip_top,
            width,
            self.row * len(self.names),
        )


def _draw(groups: Mapping[str, Group], report: Mapping[str, Any]) -> Any:
    rows = {row["name"]: row for row in report["generators"]}
    layout = Layout((REAL, *rows), _limits([group.gaze for group in groups.values()]))
    figure = require("matplotlib.figure", extra="bench").Figure(
        figsize=(layout.width, layout.height), facecolor="white"
    )
    real = _contours(groups[REAL].gaze, layout.limits)
    for number, name in enumerate(layout.names):
        axes = figure.add_axes(layout.panel_box(number))
        _panel(axes, groups[name], rows.get(name), real, layout.limits)
        first, last = number % layout.columns == 0, number + layout.columns >= len(layout.names)
        axes.tick_params(labelleft=first, labelbottom=last)
        axes.set_ylabel("pitch, rad (up is +)" if first else "")
        axes.set_xlabel("yaw, rad (left of the picture is +)" if last else "")
    _spreads(figure, layout, report)
    start = layout.box(layout.left, 0.3, 0, 0)[0]
    about = "grey: real images, areas that hold 50% and 90%; colour: a generator's images, and contours that hold as many"
    figure.text(
        start,
        layout.box(0, 0.32, 0, 0)[1],
        "Gaze of real and forged faces",
        fontsize=13,
        fontweight="bold",
        color=INK,
    )
    figure.text(
        start,
        layout.box(0, 0.57, 0, 0)[1],
        f"{about} ({report['gaze']['source']})",
        fontsize=9,
        color=GREY,
    )
    return figure


def _limits(gazes: Sequence[np.ndarray]) -> Limits:
    """Common yaw and pitch range: 99% of each group, so that one stray point does not shrink all
    panels.
    """
    spans = []
    for axis in (1, 0):
        low = min(float(np.quantile(gaze[:, axis], 0.005)) for gaze in gazes)
        high = max(float(np.quantile(gaze[:, axis], 0.995)) for gaze in gazes)
        pad = 0.06 * max(high - low, 0.02)
        spans.append((low - pad, high + pad))
    return spans[0], spans[1]


def _contours(
    gaze: np.ndarray, limits: Limits
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[float]]:
    x, y = (np.linspace(*span, GRID) for span in limits)
    density = kernel_density(gaze[:, ::-1], x, y)
    return x, y, density, contour_levels(density)


def _panel(
    axes: Any,
    group: Group,
    row: Mapping[str, Any] | None,
    real: tuple[Any, Any, Any, list[float]],
    limits: Limits,
) -> None:
    x, y, density, levels = real
    axes.contourf(x, y, density, levels=[*levels, density.max() * 1.01], colors=[OUTER, INNER])
    colour = INK if row is None else COLOURS[row["family"]]
    yaw, pitch = group.gaze[:, 1], group.gaze[:, 0]
    axes.scatter(
        yaw, pitch, s=4, color=colour, alpha=float(np.clip(90 / len(yaw), 0.18, 0.7)), linewidths=0
    )
    if row is not None and len(yaw) >= MIN_CONTOUR:
        axes.contour(
            *(own := _contours(group.gaze, limits))[:3],
            levels=own[3],
            colors=[colour],
            linewidths=[0.9, 1.7],
        )
    axes.set(xlim=limits[0], ylim=limits[1])
    axes.tick_params(length=2.5, color="#999999", labelsize=8)
    axes.set_title(group.name, loc="left", fontsize=9.5, color=colour, fontweight="bold", pad=4)
    outside = int(
        (
            (yaw < limits[0][0])
            | (yaw > limits[0][1])
            | (pitch < limits[1][0])
            | (pitch > limits[1][1])
        ).sum()
    )
    text = f"n {len(yaw)}, sd yaw {yaw.std():.2f}, pitch {pitch.std():.2f}" + (
        f", {outside} outside" if outside else ""
    )
    axes.text(
        0.02,
        0.03,
        text,
        transform=axes.transAxes,
        fontsize=7.5,
        color=INK,
        bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1.2},
    )


def _spreads(figure: Any, layout: Layout, report: Mapping[str, Any]) -> None:
    """Spread per generator with its interval; filled where the spread test says it differs from
    real.
    """
    rows = [report["real"], *report["generators"]]
    matched = {entry["name"]: entry for entry in report["matched"]}
    ends = [end for row in rows for angle in ANGLES for end in row[angle]["std_interval"]]
    pad = 0.04 * (max(ends) - min(ends))
    for number, angle in enumerate(reversed(ANGLES)):
        axes = figure.add_axes(layout.strip_box(number))
        axes.axvspan(*report["real"][angle]["std_interval"], color=OUTER, zorder=0, linewidth=0)
        for height, row in enumerate(rows):
            part = row[angle]
            colour = COLOURS[row["family"]] if "family" in row else INK
            differs = "family" not in row or part.get("spread_p_holm", 1.0) < LEVEL
            axes.plot(
                part["std_interval"],
                (height, height),
                color=colour,
                linewidth=1.6,
                solid_capstyle="butt",
            )
            axes.plot(
                part["std"],
                height,
                "o",
                color=colour,
                markerfacecolor=colour if differs else "white",
                markersize=6,
            )
            if row["name"] in matched:
                axes.plot(
                    matched[row["name"]][angle]["photographs_std"],
                    height,
                    "D",
                    color=INK,
                    markerfacecolor="none",
                    markersize=5,
                )
        axes.set(xlim=(min(ends) - pad, max(ends) + pad), ylim=(len(rows) - 0.4, -0.6))
        axes.set_yticks(
            range(len(rows)),
            [row["name"] for row in rows] if number == 0 else [""] * len(rows),
            fontsize=8.5,
        )
        axes.tick_params(length=0, labelsize=8.5)
        axes.grid(axis="x", color="#eeeeee", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_title(
            f"{angle}: standard deviation, rad, with 95% interval",
            loc="left",
            fontsize=9.5,
            color=INK,
        )
    place = (layout.strip_left / layout.width, 0.04 / layout.height)
    figure.legend(
        handles=_legend({row["family"] for row in rows[1:]}, bool(matched)),
        loc="lower left",
        bbox_to_anchor=place,
        ncols=8,
        frameon=False,
        fontsize=8.5,
        handletextpad=0.3,
    )


def _legend(families: Collection[str], matched: bool) -> list[Any]:
    line = require("matplotlib.lines", extra="bench").Line2D
    marks = [
        (FAMILIES[family], "s", colour, colour)
        for family, colour in COLOURS.items()
        if family in families
    ]
    marks += [
        ("spread differs from real's", "o", GREY, GREY),
        ("no difference shown", "o", GREY, "white"),
    ]
    marks += [("the photographs it altered", "D", INK, "none")] if matched else []
    return [
        line(
            [],
            [],
            linestyle="",
            marker=m,
            color=colour,
            markerfacecolor=face,
            markersize=6,
            label=label,
        )
        for label, m, colour, face in marks
    ]
