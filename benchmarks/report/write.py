"""Writes report.json, report.md and report.html."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import plots, tables
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


def write_report(folder: Path, data: ReportData) -> None:
    """Write the three files into `folder`; each appears whole or not at all, and none if the report
    is faulty.

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
    page, text = render_html(data), render_markdown(data)
    folder = Path(folder)
    write_text(folder / "report.md", text)
    write_text(folder / "report.html", page)
    write_json(folder / "report.json", report)


def summarise_headline(subjects: Sequence[Entry], headline: Entry | None) -> str:
    """One sentence on what the headline subject achieves, made of the figures that were measured."""
    if headline is None:
        return "Nothing was measured."
    teacher = find_teacher(subjects)
    size, auc = headline["size_mb"], plots.read_figure(headline, "test", "auc")
    what = f"{'' if size is None else tables.format_megabytes(size) + ' MB '}{headline['precision']} {headline['role']}"
    clauses = []
    factor = tables.speed_up(headline, teacher) if teacher is not headline else None
    if factor is not None:
        faster, slower = (
            f"runs {tables.format_factor(factor)} faster than",
            f"is {tables.format_factor(1 / factor)} slower than",
        )
        clauses.append(
            f"{faster if factor >= 1 else slower} its teacher ({_name_engines(headline, teacher)})"
        )
    if auc is not None:
        reference = (
            plots.read_figure(teacher, "test", "auc")
            if teacher and teacher is not headline
            else None
        )
        beside = "" if reference is None else f" (teacher {reference:.3f})"
        clauses.append(f"detects forgeries with AUC {auc:.3f}{beside}")
    # "an 18 MB", "an 8.2 MB", "an 11 MB", but "a 2.6 MB"
    article = "An" if re.match(r"(8|11\b|11\.|18\b|18\.|int8)", what) else "A"
    return f"{article} {what} {' and '.join(clauses) if clauses else 'was exported'}."


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
    if tables.is_disturbed(subjects):
        lines += ["", "\\* other work disturbed these rounds, and repeating them did not help."]
    if data.caveats:
        lines += [
            "",
            "## Read this beside the figures",
            "",
            *(f"- {caveat}" for caveat in data.caveats),
        ]
    for flips in data.flips:
        lines += ["", f"## Verdicts that changed: {flips.before} to {flips.after}", ""]
        lines += [f"{len(flips.items)} of {flips.n} on {flips.split}.", ""]
        for item in flips.items:
            where = item.get("path", item.get("index"))
            lines.append(
                f"- {where} ({item['label']}): {item['p_before']:.3f} to {item['p_after']:.3f}"
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
    return (
        "In brackets: 95% intervals from resampling the persons (without identities: the images)."
        if given
        else ""
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
    headline, teacher = find_headline(subjects, data.headline), find_teacher(subjects)
    legend = [
        {
            "label": plots.short_label(entry),
            "colour": colour,
            "dashed": plots.is_float_student(entry),
        }
        for entry, colour in zip(subjects, plots.choose_colours(subjects), strict=True)
    ]
    matrices = {
        split: curves.get("confusion")
        for split, curves in ((headline or {}).get("curves") or {}).items()
    }
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
        "legend": legend,
        "scatter": _by_split(lambda split: plots.accuracy_against_latency(subjects, split)),
        "roc": _by_split(lambda split: plots.roc_curves(subjects, split)),
        "generators": plots.per_generator(headline, teacher if teacher is not headline else None)
        if headline
        else None,
        "confusion": _by_split(
            lambda split: plots.confusion_matrix(matrices[split]) if matrices.get(split) else None
        ),
        "gaze": [
            (split, axis, svg)
            for split, histogram in data.gaze.items()
            for axis in ("yaw", "pitch")
            if (svg := plots.gaze_histogram(histogram, axis))
        ],
        "shown_flips": SHOWN_FLIPS,
        "machine": flatten_table(data.machine),
        "provenance": flatten_table(data.provenance),
        "notes": [(entry["name"], entry["notes"]) for entry in subjects if entry.get("notes")],
    }


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
