"""One sentence on what a run achieves, from the figures that were measured."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmarks.report import plots, tables
from benchmarks.report.data import Entry, find_teacher
from benchmarks.report.gaze import summarise_gaze


def summarise_headline(subjects: Sequence[Entry], headline: Entry | None) -> str:
    """One sentence on what the headline subject achieves, from the figures that were measured."""
    if headline is None:
        return "Nothing was measured."
    teacher = find_teacher(subjects)
    if teacher is headline:
        teacher = None
    what = f"{headline['precision']} {headline['role']}"
    if headline["size_mb"] is not None:
        what = f"{tables.format_megabytes(headline['size_mb'])} MB {what}"
    clauses = []
    factor = tables.speed_up(headline, teacher)
    if factor is not None:
        compared = f"runs {tables.format_factor(factor)} faster than"
        if factor < 1:
            compared = f"is {tables.format_factor(1 / factor)} slower than"
        clauses.append(f"{compared} its teacher ({_name_engines(headline, teacher)})")
    auc = plots.read_figure(headline, "test", "auc")
    if auc is not None:
        reference = plots.read_figure(teacher, "test", "auc") if teacher else None
        beside = "" if reference is None else f" (teacher {reference:.3f})"
        clauses.append(f"detects forgeries with AUC {auc:.3f}{beside}")
    clauses += _summarise_answers(headline)
    # "an 18 MB", "an 8.2 MB", "an 11 MB", but "a 2.6 MB"
    article = "An" if re.match(r"(8|11\b|11\.|18\b|18\.|int8)", what) else "A"
    sentence = f"{article} {what} {_join_clauses(clauses) if clauses else 'was exported'}."
    return f"{sentence} {summarise_gaze(headline)}".rstrip()


def _summarise_answers(entry: Entry) -> list[str]:
    """What it answers at the threshold that ships, as a clause; none if that is not known."""
    found = {}
    for split in tables.SPLIT_TITLES:
        found[split] = tables.read_shipped(entry, split, "tpr")
    fpr = tables.read_shipped(entry, "test", "fpr")
    if found["test"] is None or fpr is None:
        return []
    clause = f"calls {found['test']:.0%} of them fake"
    if found["test_unseen"] is not None:
        clause += f" ({found['test_unseen']:.0%} from unseen generators)"
    return [f"{clause} with {fpr:.1%} false alarms"]


def _join_clauses(clauses: Sequence[str]) -> str:
    return " and ".join((", ".join(clauses[:-1]), clauses[-1])) if clauses[1:] else clauses[0]


def _name_engines(subject: Entry, other: Entry | None) -> str:
    return f"{subject['engine']} against {other['engine']}" if other else str(subject["engine"])
