"""The report as GitHub Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report import answers, plots, tables
from benchmarks.report.data import Entry, ReportData, find_headline
from benchmarks.report.device import render_device_markdown
from benchmarks.report.gates import render_gates_markdown
from benchmarks.report.gaze import render_gaze_markdown
from benchmarks.report.peers import render_peers_markdown, summarise_peers
from benchmarks.report.protocols import render_protocols_markdown
from benchmarks.report.robustness import render_robustness_markdown, summarise_robustness
from benchmarks.report.speed import render_speed_markdown
from benchmarks.report.summary import summarise_headline


def render_markdown(data: ReportData) -> str:
    """The report as GitHub Markdown."""
    subjects = data.subjects
    headline = find_headline(subjects, data.headline)
    lines = [f"# {data.title}: {data.run}", "", write_summary(data, headline), ""]
    beside = summarise_peers(data.peers)
    lines += [beside, ""] if beside else []
    lines += [
        tables.markdown_table(subjects),
        "",
        f"Latency: {tables.describe_settings(subjects)}. " + _intervals_line(subjects),
    ]
    for shown in answers.list_answer_tables(subjects):
        lines += ["", f"## At the threshold that ships: {shown.split}", "", answers.NOTE, ""]
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
    lines += render_gaze_markdown(subjects, headline)
    lines += render_gates_markdown(data.gates)
    lines += render_protocols_markdown(data.protocols)
    lines += render_speed_markdown(data.speed)
    lines += render_device_markdown(data.device)
    lines += render_peers_markdown(data.peers)
    lines += render_robustness_markdown(data.robustness)
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


def write_summary(data: ReportData, headline: Entry | None) -> str:
    """What the headline subject achieves, and where it bears least."""
    sentences = (
        summarise_headline(data.subjects, headline),
        summarise_robustness(data.robustness, headline),
    )
    return " ".join(sentence for sentence in sentences if sentence)


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
