"""Writes report.json, report.md and report.html, and scores.json where there are any."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report import score_file
from benchmarks.report.data import ReportData, to_builtin
from benchmarks.report.markdown import render_markdown
from benchmarks.report.page import render_html
from benchmarks.report.schema import validate_report
from gazeclip.errors import StageError
from gazeclip.files.atomic import write_json, write_text


def write_report(folder: Path, data: ReportData) -> None:
    """Write the files into `folder`, none if the report is faulty.

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
    if data.scores is not None:
        write_json(folder / score_file.FILE, to_builtin(data.scores))
    write_json(folder / "report.json", report)
