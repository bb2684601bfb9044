"""P1 to P4 in the report: one table of all subjects, one of the headline's generators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure.coverage import describe_coverage
from benchmarks.measure.protocols import OTHER
from gazeclip.console.tables import MISSING, Table, markdown_table

Row = Mapping[str, Any]
NOTE = (
    "The protocols of gazeclip protocol on what the subjects' own evidence and thresholds say: P1 "
    "seen generators, P2 unseen generators of known families, P3 unseen families, P4 another data "
    "set. AUC is over the whole ROC; TPR, FPR and unsure are the answers at the threshold that "
    "ships. In brackets: 95% intervals from resampling the persons, of FPR those of Clopper and "
    "Pearson over images."
)
HEADER = ["subject", "protocol", "forged", "real", "AUC", "TPR", "unsure", "FPR"]
GENERATOR_HEADER = ["generator", "protocol", "images", "AUC", "TPR", "unsure"]


def build_protocols_context(protocols: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the template shows."""
    if protocols is None or not protocols["subjects"]:
        return {"protocols": None}
    subjects = protocols["subjects"]
    shown = choose_shown(subjects, protocols["headline"])
    return {
        "protocols": {
            "note": NOTE + describe_empty(subjects),
            "tables": [
                ("All subjects", build_subject_table(subjects)),
                (f"Generator by generator: {shown['name']}", build_generator_table(shown)),
            ],
            "coverage": describe_coverage(protocols["coverage"]),
        }
    }


def describe_empty(subjects: Sequence[Row]) -> str:
    """A sentence on protocols that these images say nothing of; empty if there are none."""
    empty = {
        name
        for one in subjects
        for name, figures in one["protocols"].items()
        if not _is_shown(name, figures)
    }
    return f" No forged image here is of {' or '.join(sorted(empty))}." if empty else ""


def _is_shown(name: str, figures: Row) -> bool:
    """Of P4 false alarms alone say something; P1 to P3 have real images in common."""
    return bool(figures["n_forged"] or (name.startswith(OTHER) and figures["n_real"]))


def choose_shown(subjects: Sequence[Row], headline: str | None) -> Row:
    """The headline's, else the last."""
    return next((one for one in subjects if one["name"] == headline), subjects[-1])


def build_subject_table(subjects: Sequence[Row]) -> Table:
    """A row for each protocol of each subject, protocol by protocol.

    P1 to P3 only where they have forged images, P4 where it has any.
    """
    names = list(dict.fromkeys(name for one in subjects for name in one["protocols"]))
    cells = []
    for name in sorted(names):
        for one in subjects:
            figures = one["protocols"].get(name)
            if figures is not None and _is_shown(name, figures):
                numbers = [str(figures["n_forged"]), str(figures["n_real"])]
                answers = _list_answers(figures)
                alarms = _format_figure(figures["fpr"], figures["fpr_interval"])
                cells.append([str(one["name"]), name, *numbers, *answers, alarms])
    return Table(HEADER, cells, left=(0, 1))


def build_generator_table(subject: Row) -> Table:
    """A row for each generator of each protocol."""
    cells = []
    for name, figures in subject["protocols"].items():
        for generator, own in figures["per_generator"].items():
            cells.append([generator, name, str(own["n"]), *_list_answers(own)])
    return Table(GENERATOR_HEADER, cells, left=(0, 1))


def _list_answers(figures: Row) -> list[str]:
    return [
        _format_figure(figures["auc"], figures["auc_interval"]),
        _format_figure(figures["tpr"], figures["tpr_interval"]),
        _format_figure(figures["inconclusive"], None),
    ]


def _format_figure(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return MISSING
    if interval is None:
        return f"{value:.3f}"
    low, high = interval
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def render_protocols_markdown(protocols: Mapping[str, Any] | None) -> list[str]:
    """The section of report.md; nothing where they were not measured."""
    context = build_protocols_context(protocols)["protocols"]
    if context is None:
        return []
    lines = ["", "## P1 to P4 on the files that ship", "", context["note"]]
    if context["coverage"]:
        lines += ["", f"**{context['coverage']}**"]
    for title, table in context["tables"]:
        lines += ["", f"{title}:", "", markdown_table(table)]
    return lines
