"""`gazeclip compare`: two reports side by side, and an exit code for a pipeline."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = (
        "Compare two reports subject by subject. Exit code 1 if a condition of --fail-if is met, "
        "3 if one cannot be decided, 2 for wrong usage."
    )
    parser.add_argument(
        "reports",
        nargs=2,
        type=Path,
        metavar="REPORT",
        help="the old one and the new one: report.json, the folder it lies in, or a run",
    )
    parser.add_argument(
        "--fail-if",
        metavar="CONDITIONS",
        help="what must not be, such as 'latency>1.1x or auc<-0.5pt or tpr<-2pt'",
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write it for a pull request")
    parser.add_argument("--badge", type=Path, metavar="FILE", help="write the outcome as an SVG")
    parser.set_defaults(command=compare_reports)


def compare_reports(args: argparse.Namespace) -> int:
    """Print both reports side by side; the exit code says how the conditions went.

    Raises:
        ArtifactError: a report is missing or damaged.
        ConfigError: the conditions cannot be read.
    """
    from benchmarks.compare import decide, render
    from benchmarks.compare.condition import parse_conditions
    from benchmarks.compare.differences import compare_sources
    from benchmarks.compare.reading import open_source
    from gazeclip.console.lines import print_line
    from gazeclip.console.tables import print_table, print_tables
    from gazeclip.files.atomic import write_text

    conditions = () if args.fail_if is None else parse_conditions(args.fail_if)
    a, b = (open_source(place) for place in args.reports)
    comparison = compare_sources(a, b)
    findings = decide.apply_conditions(comparison, conditions)
    print_tables(render.build_tables(comparison), sys.stdout)
    print_line(render.NOTE)
    for remark in render.list_remarks(a, b, comparison):
        print_line(remark)
    if findings:
        print_line()
        print_table(render.build_findings_table(findings), sys.stdout)
        print_line(f"comparison: {decide.WORDS[decide.decide_outcome(findings)]}")
    if args.markdown is not None:
        write_text(args.markdown, render.render_markdown(a, b, comparison, findings))
    if args.badge is not None:
        write_text(args.badge, render.render_badge(findings))
    return decide.decide_outcome(findings)
