"""The report's plots as inline SVG, from subjects as report.json has them.

None where there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure.subject import TORCH, engine_titles
from benchmarks.report.svg import Canvas, Scale, draw_axes

Entry = Mapping[str, Any]
_SHORT = {"onnxruntime": "ONNX", "coreml-reference": "Core ML"}
_FIXED = {"teacher": "var(--ink)", "baseline": "var(--baseline)"}
CHAR = 6.6  # width of one character of the 12 px tick labels
WIDTH = 460.0
HEIGHT = 330.0
# Margins around a plot's axes.
LEFT = 52.0
RIGHT = 16.0
TOP = 34.0
BOTTOM = 50.0


def short_label(entry: Entry, beside: Sequence[Entry] = ()) -> str:
    """What a subject is called where space is short.

    The baseline by its name, the student by engine and precision; with its name too where another
    one `beside` it is of the same kind.
    """
    label = _label_kind(entry)
    alike = [one for one in beside if _label_kind(one) == label]
    return f"{label} ({entry['name']})" if len(alike) > 1 else label


def _label_kind(entry: Entry) -> str:
    if entry["role"] == "baseline":
        return str(entry["name"])
    title = engine_titles()[entry["engine"]]
    if entry["role"] == "teacher":
        return "teacher" if entry["engine"] == TORCH else f"teacher, {title}"
    return f"{_SHORT.get(entry['engine'], title)} {entry['precision']}"


def choose_colours(entries: Sequence[Entry]) -> list[str]:
    """One CSS colour per subject, the same in every plot of the same subjects.

    The teacher in ink, the baseline in grey, students by engine; the second of a kind by an engine
    that no other subject has, as long as there are any.
    """
    engines = list(engine_titles())
    used = {entry["engine"] for entry in entries}
    free = [engine for engine in engines if engine not in used]
    colours = []
    seen = set()
    for entry in entries:
        engine = entry["engine"]
        kind = _label_kind(entry)
        if kind in seen and free:
            engine = free.pop(0)
        seen.add(kind)
        by_engine = f"var(--c{engines.index(engine) + 1})"  # the style sheet counts from 1
        colours.append(_FIXED.get(entry["role"], by_engine))
    return colours


def is_float_student(entry: Entry) -> bool:
    """Shares its colour with the int8 file of the same engine: a ring or a dashed line tells it."""
    return bool(entry["role"] == "student" and entry["precision"] != "int8")


def build_legend(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """`label`, `colour` and whether it is `dashed` of every subject, as the page shows them."""
    return [
        {
            "label": short_label(entry, entries),
            "colour": colour,
            "dashed": is_float_student(entry),
        }
        for entry, colour in zip(entries, choose_colours(entries), strict=True)
    ]


def read_figure(entry: Entry, split: str, key: str) -> Any:
    """`accuracy.<split>.<key>`, None if not measured."""
    return (entry.get("accuracy") or {}).get(split, {}).get(key)


def roc_curves(entries: Sequence[Entry], split: str) -> str | None:
    """ROC curves of all subjects that brought one under `curves.<split>.roc`."""
    found = []
    for entry, colour in zip(entries, choose_colours(entries), strict=True):
        curve = (entry.get("curves") or {}).get(split, {}).get("roc")
        if curve:
            found.append((entry, colour, curve))
    if not found:
        return None
    canvas = Canvas(WIDTH, HEIGHT, f"ROC on {split}")
    rates = [rate for _, _, curve in found for rate in curve["fpr"] if rate > 0]
    low = min([0.005, *rates])
    x = Scale(low, 1, LEFT, WIDTH - RIGHT, log=True)
    y = Scale(0, 1, HEIGHT - BOTTOM, TOP)
    draw_axes(
        canvas,
        x,
        y,
        "false positive rate (log)",
        "true positive rate",
        lambda v: f"{v * 100:g}%",
        lambda v: f"{v:g}",
    )
    canvas.draw_line(x(0.01), y(0), x(0.01), y(1), "mark")
    # Guessing is a straight line, which a logarithmic axis bends.
    chance = [(x(rate), y(rate)) for rate in (low ** (k / 40) for k in range(41))]
    canvas.draw_path(chance, "fill:none;stroke:var(--line);stroke-width:1.5", "chance")
    for entry, colour, curve in found:
        auc = read_figure(entry, split, "auc")
        label = short_label(entry, entries)
        hint = label if auc is None else f"{label}: AUC {auc:.3f}"
        style = f"fill:none;stroke:{colour};stroke-width:2;stroke-linejoin:round"
        if is_float_student(entry):
            style += ";stroke-dasharray:5 3"
        canvas.draw_path(_roc_steps(curve, x, y), style, hint)
    return canvas.render_svg()


def _roc_steps(
    curve: Mapping[str, Sequence[float]], x: Scale, y: Scale
) -> list[tuple[float, float]]:
    """The curve as steps: between two measured rates the lower holds.

    A logarithmic axis would distort a slope.
    """
    points: list[tuple[float, float]] = []
    reached = 0.0
    for f, t in zip(curve["fpr"], curve["tpr"], strict=True):
        place = x(max(f, x.low))
        points += [(place, y(reached)), (place, y(t))]
        reached = t
    return points


def per_generator(entry: Entry, teacher: Entry | None) -> str | None:
    """Detection AUC per generator as bars from chance level; a stroke marks the teacher's."""
    groups = []
    for split, title in (("test", "seen in training"), ("test_unseen", "never seen in training")):
        mine, theirs = (_list_aucs(e, split) for e in (entry, teacher))
        rows = [(name, auc, theirs.get(name)) for name, auc in mine.items()]
        if rows:
            groups.append((title, rows))
    if not groups:
        return None
    count = sum(len(rows) for _, rows in groups)
    longest = max(len(name) for _, rows in groups for name, _, _ in rows)
    left = min(190.0, 14 + CHAR * longest)
    row = 24.0
    height = 16 + count * row + 34 * len(groups) + 24
    canvas = Canvas(WIDTH, height, f"Detection AUC per generator, {short_label(entry)}")
    values = [auc for _, rows in groups for _, *both in rows for auc in both if auc is not None]
    x = Scale(min(0.5, *values) - 0.01, 1.0, left, WIDTH - 48)
    top = 8.0
    for title, rows in groups:
        canvas.draw_text(0, top + 16, title, "start", "label")
        top += 26
        for name, auc, reference in rows:
            _generator_bar(canvas, x, top, name, auc, reference)
            top += row
        top += 8
    for tick in x.round_ticks(5):
        canvas.draw_text(x(tick), top + 14, f"{tick:g}", "middle", "tick")
    canvas.draw_line(x(0.5), 30, x(0.5), top, "axis")
    return canvas.render_svg()


def _list_aucs(entry: Entry | None, split: str) -> dict[str, float]:
    table = (read_figure(entry, split, "per_generator") if entry else None) or {}
    return {
        name: figures["auc"] for name, figures in table.items() if figures.get("auc") is not None
    }


def _generator_bar(
    canvas: Canvas, x: Scale, top: float, name: str, auc: float, reference: float | None
) -> None:
    canvas.draw_text(x.start - 8, top + 13, name, "end", "tick")
    start, end = sorted((x(0.5), x(auc)))
    hint = f"{name}: AUC {auc:.3f}"
    if reference is not None:
        hint += f", teacher {reference:.3f}"
    canvas.draw_rect(start, top + 3, end - start, 13, "fill:var(--accent)", hint, 2)
    if reference is not None:
        canvas.draw_line(x(reference), top, x(reference), top + 19, "reference")
    canvas.draw_text(max(end, x(reference or 0.5)) + 6, top + 13.5, f"{auc:.3f}", "start", "value")


def confusion_matrix(matrix: Mapping[str, Any]) -> str | None:
    """Rows are true generators, columns the answers.

    Shading is the share of the row, the figure in per cent.
    """
    rows = matrix["rows"]
    columns = matrix["columns"]
    counts = matrix["counts"]
    if not rows:
        return None
    cell = 36.0
    left = 14 + CHAR * max(len(name) for name in rows)
    top = 16 + CHAR * max(len(name) for name in columns) * 0.72
    # The last slanted column name leans to the right of its column.
    width = left + cell * len(columns) + top * 0.75
    height = top + cell * len(rows) + 6
    canvas = Canvas(width, height, "Attribution: true against predicted")
    for place, name in enumerate(columns):
        canvas.draw_text(left + cell * (place + 0.42), top - 7, name, "start", "tick", rotate=-46)
    for r, name in enumerate(rows):
        y = top + r * cell
        total = sum(counts[r])
        canvas.draw_text(left - 8, y + cell / 2 + 4, name, "end", "tick")
        for c, column in enumerate(columns):
            share = counts[r][c] / total if total else 0.0
            right = column == matrix["expected"][r]
            colour = "--accent" if right else "--wrong"
            fill = f"fill:color-mix(in oklab, var({colour}) {share * 100:.0f}%, var(--cell))"
            hint = f"{name} as {column}: {counts[r][c]} of {total}"
            canvas.draw_rect(left + c * cell + 1, y + 1, cell - 2, cell - 2, fill, hint, 3)
            if share >= 0.005:
                style = "fill:var(--on-accent)" if share > 0.65 else None
                centre = left + (c + 0.5) * cell
                canvas.draw_text(
                    centre, y + cell / 2 + 4, f"{share * 100:.0f}", "middle", "cell", style=style
                )
    return canvas.render_svg()


def gaze_histogram(histogram: Mapping[str, Any], axis: str) -> str | None:
    """Distribution of one gaze angle (`pitch` or `yaw`) over real and over forged images."""
    data = histogram.get(axis)
    if not data:
        return None
    edges = histogram["edges_deg"]
    height = 240.0
    # Both over the same height, so that they compare; a data set without any share is drawn flat.
    peak = max(max(data["real"]), max(data["fake"])) or 1.0
    canvas = Canvas(WIDTH, height, f"Gaze {axis}, real against forged")
    x = Scale(edges[0], edges[-1], LEFT, WIDTH - RIGHT)
    y = Scale(0, peak * 1.08, height - BOTTOM, TOP)
    draw_axes(
        canvas,
        x,
        y,
        f"{axis}, degrees",
        "share of images",
        lambda v: f"{v:g}",
        lambda v: f"{v * 100:.0f}%",
    )
    for which, colour in (("real", "var(--real)"), ("fake", "var(--fake)")):
        steps = [(x(edges[0]), y(0))]
        for low, high, share in zip(edges[:-1], edges[1:], data[which], strict=True):
            steps += [(x(low), y(share)), (x(high), y(share))]
        steps.append((x(edges[-1]), y(0)))
        style = (
            f"fill:{colour};fill-opacity:.16;stroke:{colour};stroke-width:2;stroke-linejoin:round"
        )
        canvas.draw_path(steps, style, "forged" if which == "fake" else "real")
    return canvas.render_svg()
