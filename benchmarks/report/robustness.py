"""The robustness grid in the report: its curves, its table, and the worst cell in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure.degrade import FAMILIES
from benchmarks.report.plots import (
    build_legend,
    choose_colours,
    is_float_student,
    short_label,
)
from benchmarks.report.svg import Canvas, Scale
from gazeclip.console.tables import MISSING, Table, markdown_table

Grid = Mapping[str, Any]
FIGURES = {
    "tpr": "forged images called fake",
    "fpr": "real images called fake",
    "flips": "answered otherwise than the clean image",
    "auc": "AUC",
}
SPLIT_NAMES = {"test": "seen generators", "test_unseen": "unseen generators"}
WIDTH = 1000.0
HEIGHT = 236.0
LEFT = 44.0
RIGHT = 34.0  # half of the last family's title reaches beyond its dot
TOP = 14.0
BOTTOM = 52.0
GAP = 0.9  # between families, in steps between two levels
_LONG = 4  # characters of a level that reach into its neighbours'


def find_headline_place(grid: Grid, headline: Mapping[str, Any] | None) -> int | None:
    """Where the report's headline stands in the grid; its first subject if it is not there.

    By its name where several are alike, as bundles of two students are.
    """
    keys = ("role", "framework", "engine", "precision")
    alike = [
        place
        for place, entry in enumerate(grid["subjects"])
        if headline is not None and all(entry[key] == headline[key] for key in keys)
    ]
    for place in alike:
        if headline is not None and grid["subjects"][place]["name"] == headline["name"]:
            return place
    return alike[0] if alike else 0 if grid["subjects"] else None


def find_worst(entry: Mapping[str, Any]) -> tuple[str, int] | None:
    """Split and number of the cell where a subject loses most balanced accuracy.

    None where nothing was lost anywhere, or nothing is known.
    """
    worst = None
    most = 0.0
    for split, figures in entry["splits"].items():
        clean = figures["clean"]["balanced"]
        for number, cell in enumerate(figures["cells"]):
            if clean is None or cell["balanced"] is None:
                continue
            if clean - cell["balanced"] > most:
                most = clean - cell["balanced"]
                worst = (split, number)
    return worst


def summarise_robustness(grid: Grid | None, headline: Mapping[str, Any] | None) -> str:
    """The worst cell of the headline in a sentence; empty without a grid."""
    place = None if not grid else find_headline_place(grid, headline)
    if grid is None or place is None:
        return ""
    entry = grid["subjects"][place]
    worst = find_worst(entry)
    if worst is None:
        return "No disturbance of the grid costs it accuracy."
    split, number = worst
    clean = entry["splits"][split]["clean"]
    cell = entry["splits"][split]["cells"][number]
    return (
        f"Hardest for it is {grid['cells'][number]['title']}: of forgeries from "
        f"{SPLIT_NAMES[split]} it calls {cell['tpr']:.0%} fake instead of {clean['tpr']:.0%}, with "
        f"{cell['fpr']:.0%} false alarms instead of {clean['fpr']:.0%}."
    )


def build_robustness_context(grid: Grid | None) -> dict[str, Any]:
    """What the template shows of the grid."""
    if not grid or not grid["subjects"]:
        return {"robustness": None}
    shown = {
        "legend": build_legend(grid["subjects"]),
        "strips": _draw_strips(grid),
        "table": build_worst_table(grid),
        "lead": describe_grid(grid),
    }
    return {"robustness": shown}


def _draw_strips(grid: Grid) -> list[tuple[str, str]]:
    """Title and figure, of every split and kind of figure."""
    strips = []
    for split, name in SPLIT_NAMES.items():
        for key, title in FIGURES.items():
            plot = draw_strip(grid, split, key)
            if plot is not None:
                strips.append((f"{title[0].upper()}{title[1:]}, {name}", plot))
    return strips


def describe_grid(grid: Grid) -> str:
    """How many images, and what the curves show."""
    counts = []
    for split, name in SPLIT_NAMES.items():
        for entry in grid["subjects"][:1]:
            if split in entry["splits"]:
                counts.append(f"{entry['splits'][split]['clean']['n']} of {name}")
    which = "all images" if not grid["limit"] else f"a draw of images (seed {grid['seed']})"
    return (
        f"Answers at the threshold that ships, on {which}: {' and '.join(counts)}. Each picture is "
        "disturbed before it is scaled for the model; within a group strength grows to the right. "
        "Nothing was tuned on these."
    )


def place_cells(grid: Grid) -> list[float]:
    """Where every cell lies on the axis, in steps; the clean images lie at 0."""
    places: list[float] = []
    at = 0.0
    before = ""
    for cell in grid["cells"]:
        at += 1.0 if cell["family"] == before else 1.0 + GAP
        before = cell["family"]
        places.append(at)
    return places


def draw_strip(grid: Grid, split: str, key: str) -> str | None:
    """One figure of all subjects over all cells, a line for each subject and family."""
    shown = [entry for entry in grid["subjects"] if split in entry["splits"]]
    values = [cell[key] for entry in shown for cell in _list_figures(entry, split)]
    known = [value for value in values if value is not None]
    if not known:
        return None
    places = place_cells(grid)
    x = Scale(-0.6, places[-1] + 0.6, LEFT, WIDTH - RIGHT)
    low = min(known)
    high = 1.0 if max(known) > 0.5 else max(0.1, max(known))
    y = Scale(0.0 if key != "auc" else min(0.5, low), high, HEIGHT - BOTTOM, TOP)
    canvas = Canvas(WIDTH, HEIGHT, f"{FIGURES[key]} under disturbances, {split}")
    for tick in y.round_ticks(4):
        canvas.draw_line(LEFT, y(tick), WIDTH - RIGHT, y(tick))
        text = f"{tick:g}" if key == "auc" else f"{tick * 100:g}%"
        canvas.draw_text(LEFT - 8, y(tick) + 4, text, "end", "tick")
    _draw_names(canvas, grid, places, x)
    for entry, colour in zip(shown, choose_colours(shown), strict=True):
        style = f"fill:none;stroke:{colour};stroke-width:2;stroke-linejoin:round"
        if is_float_student(entry):
            style += ";stroke-dasharray:5 3"
        _draw_subject(canvas, grid, entry, (split, key), (x, y), style, colour)
    return canvas.render_svg()


def _draw_names(canvas: Canvas, grid: Grid, places: Sequence[float], x: Scale) -> None:
    """Levels below the axis, and below them the families."""
    bottom = HEIGHT - BOTTOM
    canvas.draw_line(LEFT, bottom, WIDTH - RIGHT, bottom, "axis")
    canvas.draw_text(x(0), bottom + 18, "clean", "middle", "tick")
    for family in FAMILIES:
        mine = []
        levels = []
        for cell, place in zip(grid["cells"], places, strict=True):
            if cell["family"] == family.key:
                mine.append(place)
                levels.append(f"{cell['level']:g}")
        if mine:
            # Where they are long, only the first and the last have room.
            step = max(1, len(mine) - 1) if max(map(len, levels)) >= _LONG else 1
            for place, level in list(zip(mine, levels, strict=True))[::step]:
                canvas.draw_text(x(place), bottom + 18, level, "middle", "tick")
            # Long titles of narrow groups stand lower than those beside them.
            lower = 16.0 * (FAMILIES.index(family) % 2)
            middle = (x(mine[0]) + x(mine[-1])) / 2
            canvas.draw_text(middle, bottom + 34 + lower, family.title, "middle", "label")


def _draw_subject(
    canvas: Canvas,
    grid: Grid,
    entry: Mapping[str, Any],
    what: tuple[str, str],
    scales: tuple[Scale, Scale],
    style: str,
    colour: str,
) -> None:
    """One subject's line through every family, each beginning at its clean figure."""
    split, key = what
    x, y = scales
    figures = entry["splits"][split]
    clean = figures["clean"][key]
    label = short_label(entry, grid["subjects"])
    lines: dict[str, list[tuple[float, float]]] = {}
    for cell, found, place in zip(grid["cells"], figures["cells"], place_cells(grid), strict=True):
        if found[key] is not None:
            lines.setdefault(cell["family"], []).append((x(place), y(found[key])))
            hint = f"{label}, {cell['title']}: {found[key]:.3f}"
            canvas.draw_circle(x(place), y(found[key]), 2.6, f"fill:{colour}", hint)
    for points in lines.values():
        canvas.draw_path(points, style)
    if clean is not None:
        hint = f"{label}, clean: {clean:.3f}"
        canvas.draw_circle(x(0), y(clean), 3.4, f"fill:{colour}", hint)


def _list_figures(entry: Mapping[str, Any], split: str) -> list[Mapping[str, Any]]:
    figures = entry["splits"][split]
    return [figures["clean"], *figures["cells"]]


def build_worst_table(grid: Grid) -> Table:
    """Of every subject and split the clean figures, and the worst cell of each family by TPR."""
    header = ["subject", "split", "clean TPR", "clean FPR"]
    header += [family.title for family in FAMILIES]
    rows = []
    for entry in grid["subjects"]:
        for split, figures in entry["splits"].items():
            row = [short_label(entry, grid["subjects"]), split]
            row += [_share(figures["clean"][key]) for key in ("tpr", "fpr")]
            for family in FAMILIES:
                mine = [
                    found
                    for cell, found in zip(grid["cells"], figures["cells"], strict=True)
                    if cell["family"] == family.key and found["balanced"] is not None
                ]
                worst = min(mine, key=lambda found: found["balanced"], default=None)
                text = MISSING
                if worst is not None:
                    text = f"{_share(worst['tpr'])} / {_share(worst['fpr'])}"
                row.append(text)
            rows.append(row)
    return Table(header, rows, left=(0, 1))


def _share(value: float | None) -> str:
    return MISSING if value is None else f"{value:.0%}"


def render_robustness_markdown(grid: Grid | None) -> list[str]:
    """The section of report.md; nothing without a grid."""
    if not grid or not grid["subjects"]:
        return []
    note = "In each group the strength that costs most: forged / real images called fake."
    table = markdown_table(build_worst_table(grid))
    return ["", "## Robustness", "", f"{describe_grid(grid)} {note}", "", table]
