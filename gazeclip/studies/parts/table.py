"""What the command prints: the gates, the figures, and the differences of each split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gazeclip.console.tables import MISSING, Table
from gazeclip.studies.parts.figures import FIGURES
from gazeclip.studies.parts.verdict import NOT_SHOWN

TITLES = {"auc": "AUC", "tpr": "TPR", "accuracy": "ACC", "macro_accuracy": "macro"}
GATES = {"gamma": "VPE gamma", "beta": "AWS beta", "level_mix": "level mix"}
SPLITS = {"test_unseen": "unseen"}  # as in the other tables
NOTE = (
    "TPR: at 1% false alarms. ACC, macro: attribution, over faces and over classes; "
    "on test_unseen by category and family"
)


def build_tables(report: Mapping[str, Any]) -> list[Table]:
    """Figures with the verdict in words; then what each split's figures change by."""
    splits = list(report["images"])
    return [
        _tabulate_figures(report, splits),
        *(_tabulate_differences(report, split) for split in splits),
    ]


def describe_gates(gates: Mapping[str, Sequence[float]]) -> str:
    """One line; a gate that the teacher lacks is missing."""
    told = []
    for name, title in GATES.items():
        if gates.get(name):
            told.append(" ".join([title, *(f"{value:.3f}" for value in gates[name])]))
    return f"gates: {'; '.join(told)}"


def _tabulate_figures(report: Mapping[str, Any], splits: Sequence[str]) -> Table:
    header = ["part"]
    for split in splits:
        # Two lines: the table then fits into a terminal of 100 columns.
        header += [_name_figure(split, figure).replace(" ", "\n") for figure in FIGURES]
    body = []
    for row in report["rows"]:
        cells = [row["part"]]
        for split in splits:
            found = row.get("figures", {}).get(split, {})
            cells += [_format_value(found.get(figure)) for figure in FIGURES]
        body.append([*cells, _tell_verdict(row)])
    last = len(header)
    return Table([*header, "in words"], body, left=(0, last), note=NOTE, whole_figures=True)


def _tabulate_differences(report: Mapping[str, Any], split: str) -> Table:
    body = []
    for row in report["rows"]:
        if "differences" in row:
            found = row["differences"][split]
            cells = [_format_difference(found[figure]) for figure in FIGURES]
            body.append([row["part"], *cells])
    title = f"{split}: without the part less the whole, in points [95% interval]"
    header = ["part", *(TITLES[figure] for figure in FIGURES)]
    return Table(header, body, title=title, whole_figures=True)


def _tell_verdict(row: Mapping[str, Any]) -> str:
    """`helps: test AUC`, `does nothing here: outputs identical`, `not shown: within 0.9 points`."""
    if row.get("identical"):
        return f"{row['words']}: outputs identical"
    told = row["words"]
    if told == NOT_SHOWN:
        return f"{told}: within {100 * _find_widest(row):.1f} points"
    both = row.get("helps") and row.get("harms")
    named = []
    for word in ("helps", "harms"):
        figures = ", ".join(_name_figure(*key) for key in row.get(word, ()))
        if figures:
            named.append(f"{word}: {figures}" if both else figures)
    if both:
        return "; ".join(named)
    return f"{told}: {named[0]}" if named else told


def _find_widest(row: Mapping[str, Any]) -> float:
    """The end of an interval that lies farthest from 0: as much may be there unseen."""
    ends = [0.0]
    for figures in row["differences"].values():
        for figure in figures.values():
            if figure is not None and figure["interval"] is not None:
                ends += map(abs, figure["interval"])
    return max(ends)


def _name_figure(split: str, figure: str) -> str:
    return f"{SPLITS.get(split, split)} {TITLES[figure]}"


def _format_value(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}"


def _format_difference(figure: Mapping[str, Any] | None) -> str:
    """`-1.2 [-2.7, +0.3]`, in points: as fractions four of these would not fit into a line."""
    if figure is None:
        return MISSING
    mean = _format_points(figure["mean"])
    if figure["interval"] is None:
        return mean
    low, high = map(_format_points, figure["interval"])
    return f"{mean} [{low}, {high}]"


def _format_points(value: float) -> str:
    # The sum makes a plain 0 of what was rounded to -0.
    return f"{round(100 * value, 1) + 0.0:+.1f}"
