"""Writes report.json, report.md and report.html."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import answers, gates, plots, scatter, tables
from benchmarks.report.console import console_table
from benchmarks.report.data import (
    Entry,
    Flips,
    GalleryItem,
    ReportData,
    describe_subject,
    encode_thumbnail,
    find_headline,
    find_teacher,
)
from benchmarks.report.gates import render_gates_markdown
from benchmarks.report.gaze import build_gaze_context, render_gaze_markdown, summarise_gaze
from benchmarks.report.schema import validate_report
from gazeclip.errors import StageError
from gazeclip.files.atomic import write_json, write_text
from gazeclip.system.packages import require

__all__ = [
    "Flips",
    "GalleryItem",
    "ReportData",
    "console_table",
    "describe_subject",
    "encode_thumbnail",
    "render_html",
    "write_report",
]

TEMPLATES = Path(__file__).parent / "templates"
SHOWN_FLIPS = 24
ANSWERS_NOTE = (
    "Cllr: cost of the evidence in bits, 0 perfect and 1 none, and beside it what calibration "
    "could not mend. False alarms: real images called fake, with a 95% interval. Generators: the "
    "share of their images called fake, and beside it the share that is inconclusive; the rest "
    "is called real."
)


def write_report(folder: Path, data: ReportData) -> None:
    """Write the three files into `folder`, none if the report is faulty.

    Each appears whole or not at all.

    Raises:
        StageError: the report breaks its own schema (all faults are named).
        MissingDependencyError: jinja2 is not installed.
    """
    report = data.to_json()
    faults = validate_report(report)
    if faults:
        raise StageError(
            f"the report is faulty: {'; '.join(faults)}",
            remedy="Nothing was written; measure again",
        )
    page = render_html(data)
    text = render_markdown(data)
    folder = Path(folder)
    write_text(folder / "report.md", text)
    write_text(folder / "report.html", page)
    write_json(folder / "report.json", report)


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


def render_markdown(data: ReportData) -> str:
    """The report as GitHub Markdown."""
    subjects = data.subjects
    lines = [
        f"# {data.title}: {data.run}",
        "",
        summarise_headline(subjects, find_headline(subjects, data.headline)),
        "",
    ]
    lines += [
        tables.markdown_table(subjects),
        "",
        f"Latency: {tables.describe_settings(subjects)}. " + _intervals_line(subjects),
    ]
    for shown in _list_answer_tables(subjects):
        lines += ["", f"## At the threshold that ships: {shown.split}", "", ANSWERS_NOTE, ""]
        lines.append(answers.render_answers(shown))
    if tables.is_disturbed(subjects):
        lines += ["", "\\* other work disturbed these rounds, and repeating them did not help."]
    if data.caveats:
        lines += [
            "",
            "## Read this beside the figures",
            "",
            *(f"- {caveat}" for caveat in data.caveats),
        ]
    lines += render_gaze_markdown(subjects, find_headline(subjects, data.headline))
    lines += render_gates_markdown(data.gates)
    for flips in data.flips:
        lines += ["", f"## Verdicts that changed: {flips.before} to {flips.after}", ""]
        lines += [f"{len(flips.items)} of {flips.n} on {flips.split}.", ""]
        for item in flips.items:
            where = item.get("path", item.get("index"))
            lines.append(
                f"- {where} ({item['label']}): {item['before']} to {item['after']}, "
                f"LLR {item['llr_before']:+.2f} to {item['llr_after']:+.2f}"
            )
    for title, table in (("Machine", data.machine), ("Provenance", data.provenance)):
        if table:
            lines += [
                "",
                f"## {title}",
                "",
                *(f"- {key}: {value}" for key, value in flatten_table(table)),
            ]
    return "\n".join(lines) + "\n"


def _intervals_line(subjects: Sequence[Entry]) -> str:
    given = any(
        plots.read_figure(entry, split, "auc_interval")
        for entry in subjects
        for split in tables.SPLIT_TITLES
    )
    if not given:
        return ""
    return (
        "In brackets: 95% intervals from resampling the persons (without identities: the images); "
        "of FPR those of Clopper and Pearson over images; beside TPR what is inconclusive (unsure)."
    )


def flatten_table(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Key and value as text, one level of nesting spelt out, nothing as 'unknown'."""
    found: list[tuple[str, str]] = []
    for key, value in table.items():
        title = str(key).replace("_", " ")
        if isinstance(value, Mapping):
            found.append((title, ", ".join(f"{k} {v}" for k, v in value.items()) or "none"))
        elif isinstance(value, (list, tuple)):
            found.append((title, ", ".join(str(v) for v in value) or "none"))
        else:
            found.append((title, "unknown" if value is None else str(value)))
    return found


def render_html(data: ReportData) -> str:
    """One self-contained page: no script, no font and no image from elsewhere."""
    jinja2 = require("jinja2", extra="bench")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The plots are drawn by benchmarks.report.svg, which escapes every text.
    environment.filters["svg"] = jinja2.utils.markupsafe.Markup
    return str(environment.get_template("report.html.j2").render(**page_context(data)))


def page_context(data: ReportData) -> dict[str, Any]:
    """What the template shows."""
    subjects = list(data.subjects)
    headline = find_headline(subjects, data.headline)
    teacher = find_teacher(subjects)
    return {
        "data": data,
        "summary": summarise_headline(subjects, headline),
        "tiles": _build_tiles(subjects, headline),
        "columns": tables.COLUMNS,
        "groups": _column_groups(),
        "rows": list(zip(subjects, tables.build_rows(subjects), strict=True)),
        "headline": headline,
        "headline_label": plots.short_label(headline) if headline else "",
        "teacher": teacher,
        "settings": tables.describe_settings(subjects),
        "disturbed": tables.is_disturbed(subjects),
        "answer_tables": _list_answer_tables(subjects),
        "answers_note": ANSWERS_NOTE,
        "legend": _build_legend(subjects),
        "scatter": _by_split(lambda split: scatter.accuracy_against_latency(subjects, split)),
        "roc": _by_split(lambda split: plots.roc_curves(subjects, split)),
        "generators": _draw_generators(headline, teacher),
        "confusion": _by_split(lambda split: _draw_confusion(headline, split)),
        **build_gaze_context(subjects, headline, data.gaze),
        "shown_flips": SHOWN_FLIPS,
        "gate_tables": gates.build_tables(data.gates),
        "gate_note": gates.NOTE,
        "machine": flatten_table(data.machine),
        "provenance": flatten_table(data.provenance),
        "notes": [(entry["name"], entry["notes"]) for entry in subjects if entry.get("notes")],
    }


def _list_answer_tables(subjects: Sequence[Entry]) -> list[answers.AnswerTable]:
    found = [answers.build_answer_table(subjects, split) for split in tables.SPLIT_TITLES]
    return [table for table in found if table is not None]


def _build_legend(subjects: Sequence[Entry]) -> list[dict[str, Any]]:
    legend = []
    for entry, colour in zip(subjects, plots.choose_colours(subjects), strict=True):
        dashed = plots.is_float_student(entry)
        legend.append({"label": plots.short_label(entry), "colour": colour, "dashed": dashed})
    return legend


def _draw_generators(headline: Entry | None, teacher: Entry | None) -> str | None:
    if headline is None:
        return None
    return plots.per_generator(headline, None if teacher is headline else teacher)


def _draw_confusion(headline: Entry | None, split: str) -> str | None:
    found = (headline or {}).get("curves") or {}
    matrix = found.get(split, {}).get("confusion")
    return plots.confusion_matrix(matrix) if matrix else None


def _by_split(draw: Callable[[str], str | None]) -> list[tuple[str, str]]:
    titles = {
        "test": "Generators seen in training",
        "test_unseen": "Generators never seen in training",
    }
    return [(title, svg) for split, title in titles.items() if (svg := draw(split))]


def _column_groups() -> list[tuple[str, int]]:
    names = {
        "test": "test: seen generators",
        "unseen": "test: unseen generators",
        "cost": "cost",
        "export": "export",
    }
    counts: dict[str, int] = {}
    for column in tables.COLUMNS:
        counts[column.group] = counts.get(column.group, 0) + 1
    return [(names[group], count) for group, count in counts.items()]


def _build_tiles(subjects: Sequence[Entry], headline: Entry | None) -> list[tuple[str, str, str]]:
    """(figure, unit, what it is); a figure that was not measured has no tile."""
    if headline is None:
        return []
    tiles: list[tuple[str, str, str]] = []
    if headline["size_mb"] is not None:
        tiles.append((tables.format_megabytes(headline["size_mb"]), "MB", "model file"))
    if headline["latency_ms"]["p50"] is not None:
        tiles.append(
            (
                tables.format_milliseconds(headline["latency_ms"]["p50"]),
                "ms",
                f"median, {tables.describe_settings([headline])}",
            )
        )
    for split, text in (
        ("test", "AUC, seen generators"),
        ("test_unseen", "AUC, unseen generators"),
    ):
        value = plots.read_figure(headline, split, "auc")
        if value is not None:
            note = tables.format_interval(plots.read_figure(headline, split, "auc_interval"))
            tiles.append((f"{value:.3f}", "", text + (f" ({note})" if note else "")))
    agreement = headline["parity"].get("verdict_agreement_fp32")
    if agreement is not None:
        tiles.append((f"{agreement:.3f}", "", "same verdicts as the float student"))
    return tiles
