"""A comparison as tables for the terminal, as Markdown for a pull request, and as a badge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.compare.decide import FAILED, PASSED, UNDECIDED, WORDS, Finding, decide_outcome
from benchmarks.compare.differences import Comparison, Difference, Pair, describe_change
from benchmarks.compare.reading import Source, find_version_differences
from benchmarks.report.svg import CHAR_WIDTH, Canvas
from gazeclip.console.tables import MISSING, Styled, Table, markdown_table

HEADER = ("figure", "first", "second", "difference")
NOTE = (
    "difference: second less first, with the 95% interval of a paired bootstrap over persons "
    "(without identities: images); p: DeLong's test"
)
STYLES = {PASSED: "green", FAILED: "bold red", UNDECIDED: "yellow"}
COLOURS = {PASSED: "#2e7d4f", FAILED: "#b3261e", UNDECIDED: "#8a6d1d"}
INK = "#3c434d"
PAPER = "#ffffff"
BADGE_HEIGHT = 20.0
BADGE_CHAR = CHAR_WIDTH * 11 / 12  # its text has 11 pixels
BADGE_PAD = 8.0


def build_tables(comparison: Comparison) -> list[Table]:
    """One table a subject: its figures in both reports."""
    found = []
    for pair in comparison.pairs:
        rows = [_build_row(one) for one in pair.differences.values() if _has_value(one)]
        found.append(Table(HEADER, rows, title=_name_pair(pair), left=(0,)))
    return found


def _name_pair(pair: Pair) -> str:
    if pair.flipped is None:
        return pair.label
    return f"{pair.label}: {pair.flipped} of {pair.images} images answered otherwise"


def _has_value(one: Difference) -> bool:
    return one.a is not None or one.b is not None


def _build_row(one: Difference) -> list[str]:
    change = describe_change(one) or "not comparable"
    if one.p is not None:
        change += f", p = {one.p:.2g}"
    values = [MISSING if v is None else f"{v:.{one.figure.decimals}f}" for v in (one.a, one.b)]
    return [one.figure.title, *values, change]


def build_findings_table(findings: Sequence[Finding]) -> Table:
    """One row a condition and subject, in words."""
    rows = [
        [str(one.condition), one.label, Styled(WORDS[one.outcome], STYLES[one.outcome]), one.reason]
        for one in findings
    ]
    return Table(("condition", "subject", "outcome", "because"), rows, left=(0, 1, 2, 3))


def list_remarks(a: Source, b: Source, comparison: Comparison) -> Iterator[str]:
    """What must be known beside the figures, one sentence each."""
    yield f"first: {a.title}; second: {b.title}"
    if comparison.machine:
        yield f"latencies are not compared, the machines differ: {'; '.join(comparison.machine)}"
    seen: dict[str, None] = {}
    for pair in comparison.pairs:
        for one in pair.differences.values():
            if one.obstacle is not None and one.figure.split is not None:
                seen[one.obstacle] = None
    for obstacle in seen:
        yield f"{obstacle}: figures of it are not compared"
    if versions := find_version_differences(a, b):
        yield f"versions differ: {', '.join(versions)}"
    for which, labels in (("first", comparison.only_a), ("second", comparison.only_b)):
        if labels:
            yield f"only in the {which}: {', '.join(labels)}"


def render_markdown(
    a: Source, b: Source, comparison: Comparison, findings: Sequence[Finding]
) -> str:
    """The comparison for a pull request: the outcome first, the figures folded."""
    title = "Benchmark"
    if findings:
        title += f" {WORDS[decide_outcome(findings)]}"
    lines = [f"### {title}", ""]
    if findings:
        lines += [markdown_table(build_findings_table(findings)), ""]
    lines += [f"- {remark}" for remark in list_remarks(a, b, comparison)]
    for table in build_tables(comparison):
        # GitHub reads Markdown inside only behind a blank line.
        lines += ["", f"<details><summary>{_escape(table.title)}</summary>", ""]
        lines += [markdown_table(table), "", "</details>"]
    return "\n".join([*lines, "", NOTE]) + "\n"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def render_badge(findings: Sequence[Finding]) -> str:
    """An SVG that says in two words how it went; without conditions it only says that it ran."""
    outcome = decide_outcome(findings)
    left = "benchmark"
    right = WORDS[outcome] if findings else "measured"
    split = 2 * BADGE_PAD + BADGE_CHAR * len(left)
    width = split + 2 * BADGE_PAD + BADGE_CHAR * len(right)
    canvas = Canvas(width, BADGE_HEIGHT, f"{left}: {right}")
    canvas.draw_rect(0, 0, width, BADGE_HEIGHT, f"fill:{INK}", rx=3.0)
    colour = COLOURS[outcome] if findings else INK
    canvas.draw_rect(split, 0, width - split, BADGE_HEIGHT, f"fill:{colour}", rx=3.0)
    canvas.draw_rect(split, 0, 3.0, BADGE_HEIGHT, f"fill:{colour}")  # square where the two meet
    style = f"fill:{PAPER};font:11px Verdana,DejaVu Sans,sans-serif"
    canvas.draw_text(split / 2, 14.0, left, "middle", style=style)
    canvas.draw_text((split + width) / 2, 14.0, right, "middle", style=style)
    # As a file of its own an SVG must name its namespace and size.
    size = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.1f}" height="{BADGE_HEIGHT:g}"'
    return canvas.render_svg().replace("<svg", size, 1) + "\n"
