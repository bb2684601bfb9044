"""Verdicts as a table for people and as CSV for spreadsheets."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from typing import TextIO

from gazeclip.console.lines import print_line
from gazeclip.console.tables import Styled, Table, print_plain, print_table
from gazeclip.console.text import printable
from runtimes.verdict import Verdict
from runtimes.verifier import Outcome

CSV_COLUMNS = [
    "source",
    "verdict",
    "fake_probability",
    "threshold",
    "operating_point",
    "class",
    "category",
    "family",
    "class_probability",
    "gaze_pitch",
    "gaze_yaw",
    "decode_ms",
    "inference_ms",
    "engine",
    "precision",
    "frames",
    "error",
]
_COLOURS = {"fake": "bold red", "real": "green", "error": "yellow"}
_HEADER = ("image", "verdict", "fake", "most like", "p", "gaze pitch/yaw", "ms")


def write_csv(stream: TextIO, judged: Sequence[tuple[str, Outcome]]) -> None:
    """One row per image; the columns of a failed one are empty but for `source` and `error`."""
    writer = csv.DictWriter(stream, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for source, outcome in judged:
        failed = {"source": source, "error": str(outcome)}
        row = _csv_row(outcome) if isinstance(outcome, Verdict) else failed
        writer.writerow({column: printable(str(value)) for column, value in row.items()})


def _csv_row(verdict: Verdict) -> dict[str, object]:
    top = verdict.attribution[0]
    return {
        "source": verdict.source,
        "verdict": verdict.verdict,
        "fake_probability": f"{verdict.fake_probability:.6f}",
        "threshold": f"{verdict.threshold:.6f}",
        "operating_point": verdict.operating_point,
        "class": top.name,
        "category": top.category,
        "family": top.family,
        "class_probability": f"{top.p:.6f}",
        "gaze_pitch": f"{verdict.gaze.pitch:.4f}",
        "gaze_yaw": f"{verdict.gaze.yaw:.4f}",
        "decode_ms": f"{verdict.timings_ms['decode']:.2f}",
        "inference_ms": f"{verdict.timings_ms['inference']:.2f}",
        "engine": verdict.engine,
        "precision": verdict.precision,
        "frames": verdict.frames,
    }


def write_table(stream: TextIO, judged: Sequence[tuple[str, Outcome]]) -> None:
    """A table, coloured by `rich` on a terminal where that is installed, and a line of totals."""
    rows = [_table_row(source, outcome) for source, outcome in judged]
    verdicts = [outcome for _, outcome in judged if isinstance(outcome, Verdict)]
    table = Table(_HEADER, rows, left=range(len(_HEADER)), framed=True)
    if stream.isatty():
        print_table(table, stream)
    else:
        print_plain(table, stream)
    fake = sum(verdict.is_fake for verdict in verdicts)
    totals = f"{len(verdicts) - fake} real, {fake} fake, {len(judged) - len(verdicts)} not judged"
    if verdicts:
        first = verdicts[0]
        totals += f" | {first.operating_point}: fake from {first.threshold:.4f}"
        totals += f" | {first.engine}, {first.precision}"
    print_line(totals, stream)


def _table_row(source: str, outcome: Outcome) -> tuple[str, ...]:
    if not isinstance(outcome, Verdict):
        return (source, Styled("error", _COLOURS["error"]), "", outcome.message, "", "", "")
    if outcome.frames > 1:
        source = f"{source} (frame 1 of {outcome.frames})"
    top = outcome.attribution[0]
    gaze = f"{math.degrees(outcome.gaze.pitch):+.0f} / {math.degrees(outcome.gaze.yaw):+.0f} deg"
    total_ms = sum(outcome.timings_ms.values())
    return (
        source,
        Styled(outcome.verdict, _COLOURS[outcome.verdict]),
        f"{outcome.fake_probability:.4f}",
        top.title,
        f"{top.p:.2f}",
        gaze,
        f"{total_ms:.1f}",
    )
