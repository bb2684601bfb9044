"""The report as one self-contained page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import answers, gates, plots, scatter, tables
from benchmarks.report.data import Entry, ReportData, find_headline, find_teacher
from benchmarks.report.device import build_device_context
from benchmarks.report.gaze import build_gaze_context
from benchmarks.report.markdown import flatten_table
from benchmarks.report.peers import build_peers_context
from benchmarks.report.protocols import build_protocols_context
from benchmarks.report.robustness import build_robustness_context, summarise_robustness
from benchmarks.report.speed import build_speed_context
from benchmarks.report.summary import summarise_headline
from gazeclip.system.packages import require

TEMPLATES = Path(__file__).parent / "templates"
SHOWN_FLIPS = 24


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
        "hardest": summarise_robustness(data.robustness, headline),
        "tiles": _build_tiles(subjects, headline),
        "columns": tables.COLUMNS,
        "groups": _column_groups(),
        "rows": list(zip(subjects, tables.build_rows(subjects), strict=True)),
        "headline": headline,
        "headline_label": plots.short_label(headline, subjects) if headline else "",
        "teacher": teacher,
        "settings": tables.describe_settings(subjects),
        "disturbed": tables.is_disturbed(subjects),
        "answer_tables": answers.list_answer_tables(subjects),
        "answers_note": answers.NOTE,
        "legend": plots.build_legend(subjects),
        "scatter": _by_split(lambda split: scatter.accuracy_against_latency(subjects, split)),
        "roc": _by_split(lambda split: plots.roc_curves(subjects, split)),
        "generators": _draw_generators(headline, teacher),
        "confusion": _by_split(lambda split: _draw_confusion(headline, split)),
        **build_gaze_context(subjects, headline, data.gaze),
        **build_speed_context(data.speed),
        **build_peers_context(data.peers),
        **build_protocols_context(data.protocols),
        **build_device_context(data.device),
        **build_robustness_context(data.robustness),
        "shown_flips": SHOWN_FLIPS,
        "gate_tables": gates.build_tables(data.gates),
        "gate_note": gates.NOTE,
        "machine": flatten_table(data.machine),
        "provenance": flatten_table(data.provenance),
        "notes": [(entry["name"], entry["notes"]) for entry in subjects if entry.get("notes")],
    }


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
