"""Verdicts as a table for people and as CSV for spreadsheets."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from gazeclip.console.lines import print_line
from gazeclip.console.tables import Styled, Table, print_plain, print_table
from gazeclip.console.text import printable
from gazeclip.scoring.thresholds import ANSWERS
from runtimes.verdict import Verdict
from runtimes.verifier import Outcome

CSV_COLUMNS = [
    "source",
    "verdict",
    "llr",
    "strength",
    "fake_probability",
    "prior",
    "fake_from",
    "real_below",
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
_COLOURS = {"fake": "bold red", "real": "green", "inconclusive": "yellow", "error": "yellow"}
_HEADER = ("image", "verdict", "LLR", "evidence", "P(fake)", "made by", "p", "gaze pitch/yaw", "ms")


def write_csv(stream: TextIO, judged: Sequence[tuple[str, Outcome]]) -> None:
    """One row per image; the columns of a failed one are empty but for `source` and `error`."""
    writer = csv.DictWriter(stream, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for source, outcome in judged:
        failed = {"source": source, "error": str(outcome)}
        row = _csv_row(outcome) if isinstance(outcome, Verdict) else failed
        writer.writerow({column: printable(str(value)) for column, value in row.items()})


def _csv_row(verdict: Verdict) -> dict[str, object]:
    row: dict[str, object] = {
        "source": verdict.source,
        "verdict": verdict.verdict,
        "llr": f"{verdict.llr:.4f}",
        "strength": verdict.strength,
        "fake_probability": f"{verdict.fake_probability:.6f}",
        "prior": f"{verdict.prior:g}",
        "fake_from": f"{verdict.fake_from:.4f}",
        "real_below": f"{verdict.real_below:.4f}",
        "operating_point": verdict.operating_point,
        "gaze_pitch": f"{verdict.gaze.pitch:.4f}",
        "gaze_yaw": f"{verdict.gaze.yaw:.4f}",
        "decode_ms": f"{verdict.timings_ms['decode']:.2f}",
        "inference_ms": f"{verdict.timings_ms['inference']:.2f}",
        "engine": verdict.engine,
        "precision": verdict.precision,
        "frames": verdict.frames,
    }
    generator = verdict.generator
    if generator is not None:
        row["class"] = generator.name
        row["category"] = generator.category
        row["family"] = generator.family
        row["class_probability"] = f"{generator.p:.6f}"
    return row


def write_table(stream: TextIO, judged: Sequence[tuple[str, Outcome]]) -> None:
    """A table, coloured by `rich` on a terminal where that is installed, and a line of totals."""
    rows = [_table_row(source, outcome) for source, outcome in judged]
    verdicts = [outcome for _, outcome in judged if isinstance(outcome, Verdict)]
    table = Table(_HEADER, rows, left=range(len(_HEADER)), framed=True)
    if stream.isatty():
        print_table(table, stream)
    else:
        print_plain(table, stream)
    counts = Counter(verdict.verdict for verdict in verdicts)
    parts = [f"{counts[answer]} {answer}" for answer in ANSWERS]
    totals = f"{', '.join(parts)}, {len(judged) - len(verdicts)} not judged"
    if verdicts:
        first = verdicts[0]
        totals += (
            f" | {first.operating_point}: fake from LLR {first.fake_from:+.2f},"
            f" real below {first.real_below:+.2f} | {first.engine}, {first.precision}"
        )
    print_line(totals, stream)


def _table_row(source: str, outcome: Outcome) -> tuple[str, ...]:
    if not isinstance(outcome, Verdict):
        empty = ("",) * (len(_HEADER) - 4)
        return (source, Styled("error", _COLOURS["error"]), "", outcome.message, *empty)
    if outcome.frames > 1:
        source = f"{source} (frame 1 of {outcome.frames})"
    generator = outcome.generator
    gaze = f"{math.degrees(outcome.gaze.pitch):+.0f} / {math.degrees(outcome.gaze.yaw):+.0f} deg"
    total_ms = sum(outcome.timings_ms.values())
    return (
        source,
        Styled(outcome.verdict, _COLOURS[outcome.verdict]),
        f"{outcome.llr:+.2f}",
        outcome.strength,
        f"{outcome.fake_probability:.3f}",
        "" if generator is None else generator.title,
        "" if generator is None else f"{generator.p:.2f}",
        gaze,
        f"{total_ms:.1f}",
    )
