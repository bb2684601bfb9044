"""Verdicts as rows: of a table for people, and of CSV for spreadsheets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from gazeclip.console.lines import print_line
from gazeclip.console.tables import Styled, Table, print_plain, print_table
from gazeclip.console.text import printable
from gazeclip.errors import FaceError
from gazeclip.scoring.thresholds import ANSWERS
from runtimes.answers import Tally
from runtimes.verdict import Gaze, Verdict
from runtimes.verifier import Outcome
from runtimes.video.track import Track, format_time

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
    "frame",
    "frames",
    "face",
    "box",
    "track",
    "track_frames",
    "track_from_s",
    "track_to_s",
    "most_suspicious_s",
    "outcome",
    "error",
    "copy",
]
_COLOURS = {"fake": "bold red", "real": "green", "inconclusive": "yellow", "error": "yellow"}
_GAZE = "gaze pitch/yaw"
_HEADER: tuple[str, ...] = (
    "image",
    "verdict",
    "LLR",
    "evidence",
    "P(fake)",
    "made by",
    "p",
    _GAZE,
    "ms",
)
_LINE_WIDTHS = (12, 6, 17, 7, 22, 4)  # verdict, LLR, evidence, P(fake), made by, p
_FACE_HEADER = ("face", "box")
_TRACK_HEADER = ("most suspicious at",)
_MOMENTS_SHOWN = 3


def make_csv_row(source: str, outcome: Outcome, copy: Path | None = None) -> dict[str, str]:
    """The cells of `CSV_COLUMNS` that an outcome fills; of a failed image why it has no verdict.

    Args:
        copy: where an annotated copy of its image lies.
    """
    row: dict[str, object]
    if isinstance(outcome, Verdict):
        row = _csv_row(outcome)
    else:
        row = {"source": source, "error": str(outcome)}
        if isinstance(outcome, FaceError):
            row["outcome"] = outcome.outcome
    if copy is not None:
        row["copy"] = copy
    return {column: printable(str(value)) for column, value in row.items()}


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
        "decode_ms": f"{verdict.timings_ms['decode']:.2f}",
        "inference_ms": f"{verdict.timings_ms['inference']:.2f}",
        "engine": verdict.engine,
        "precision": verdict.precision,
        "frame": verdict.frame,
        "frames": verdict.frames,
    }
    if verdict.gaze is not None:
        row["gaze_pitch"] = f"{verdict.gaze.pitch:.4f}"
        row["gaze_yaw"] = f"{verdict.gaze.yaw:.4f}"
    if verdict.face is not None:
        row["face"] = verdict.face.number
        row["box"] = _write_box(verdict.face.box)
    if verdict.track is not None:
        row["track"] = verdict.track.number
        row["track_frames"] = verdict.track.frames
        row["track_from_s"] = f"{verdict.track.from_s:.3f}"
        row["track_to_s"] = f"{verdict.track.to_s:.3f}"
        row["most_suspicious_s"] = " ".join(f"{m.time_s:.3f}" for m in verdict.track.moments)
    generator = verdict.generator
    if generator is not None:
        row["class"] = generator.name
        row["category"] = generator.category
        row["family"] = generator.family
        row["class_probability"] = f"{generator.p:.6f}"
    return row


def make_line(source: str, outcome: Outcome) -> str:
    """One outcome as a line whose columns stand below each other; the name is the last."""
    row = _table_row(source, outcome)
    if not isinstance(outcome, Verdict):
        return f"{row[1]:<12}  {outcome.message}"
    cells = [f"{cell:<{width}}" for cell, width in zip(row[1:7], _LINE_WIDTHS, strict=True)]
    if outcome.face is not None:
        cells.append(f"face {outcome.face.number} at {_write_box(outcome.face.box)} of")
    return "  ".join([*cells, row[0]])


class TableRows:
    """A table's cells, and of the first verdict what all share."""

    def __init__(self, with_faces: bool, more: tuple[str, ...] = ()) -> None:
        """No rows yet.

        Args:
            with_faces: columns for the number and the box of each face.
            more: heads of further columns.
        """
        self._with_faces = with_faces
        self._more = more
        self._rows: list[tuple[str, ...]] = []
        self._moments: list[str] = []
        self._shared = ""
        self._has_gaze = True  # until a verdict says that its model tells none

    def add(self, source: str, outcome: Outcome, more: tuple[str, ...] = ()) -> None:
        """One row more, and what it has in the further columns."""
        row = _table_row(source, outcome)
        if self._with_faces:
            row = (row[0], *_face_cells(outcome), *row[1:])
        self._rows.append((*row, *more))
        self._moments.append(_write_moments(outcome))
        if isinstance(outcome, Verdict) and outcome.gaze is None:
            self._has_gaze = False
        if isinstance(outcome, Verdict) and not self._shared:
            self._shared = (
                f" | {outcome.operating_point}: fake from LLR {outcome.fake_from:+.2f},"
                f" real below {outcome.real_below:+.2f} | {outcome.engine}, {outcome.precision}"
            )

    def print(self, stream: TextIO, tally: Tally) -> None:
        """A table, coloured by `rich` on a terminal where that is installed, and the totals."""
        header = _HEADER
        if self._with_faces:
            header = (_HEADER[0], *_FACE_HEADER, *_HEADER[1:])
        header = (*header, *self._more)
        rows = self._rows
        if any(self._moments):
            header = (*header, *_TRACK_HEADER)
            rows = [(*row, moments) for row, moments in zip(rows, self._moments, strict=True)]
        if not self._has_gaze:
            header, *rows = _drop_column([header, *rows], header.index(_GAZE))
        table = Table(header, rows, left=range(len(header)), framed=True)
        if stream.isatty():
            print_table(table, stream)
        else:
            print_plain(table, stream)
        print_line(f"{describe_totals(tally)}{self._shared}", stream)


def describe_totals(tally: Tally) -> str:
    """How many of each answer, and how many images have none."""
    parts = [f"{tally.counts[answer]} {answer}" for answer in ANSWERS]
    return f"{', '.join(parts)}, {tally.count_unjudged()} not judged"


def _face_cells(outcome: Outcome) -> tuple[str, str]:
    if not isinstance(outcome, Verdict) or outcome.face is None:
        return "", ""
    return str(outcome.face.number), _write_box(outcome.face.box)


def _write_moments(outcome: Outcome) -> str:
    """`0:12.0 0:03.0`: the worst first; empty where there is no track."""
    if not isinstance(outcome, Verdict) or outcome.track is None:
        return ""
    return " ".join(format_time(m.time_s) for m in outcome.track.moments[:_MOMENTS_SHOWN])


def _describe_track(track: Track) -> str:
    """`track 1 of 2: 57 frames, 0:00.0 to 0:59.0`."""
    frames = "1 frame" if track.frames == 1 else f"{track.frames} frames"
    span = f"{format_time(track.from_s)} to {format_time(track.to_s)}"
    return f"track {track.number} of {track.film.tracks}: {frames}, {span}"


def _write_box(box: Sequence[int]) -> str:
    """`x0 y0 x1 y1`."""
    return " ".join(str(value) for value in box)


def _write_gaze(gaze: Gaze | None) -> str:
    if gaze is None:
        return ""
    return f"{math.degrees(gaze.pitch):+.0f} / {math.degrees(gaze.yaw):+.0f} deg"


def _drop_column(rows: Sequence[tuple[str, ...]], place: int) -> list[tuple[str, ...]]:
    return [(*row[:place], *row[place + 1 :]) for row in rows]


def _table_row(source: str, outcome: Outcome) -> tuple[str, ...]:
    if not isinstance(outcome, Verdict):
        empty = ("",) * (len(_HEADER) - 4)
        word = outcome.outcome if isinstance(outcome, FaceError) else "error"
        return (source, Styled(word, _COLOURS["error"]), "", outcome.message, *empty)
    if outcome.frames > 1:
        source = f"{source} (frame {outcome.frame} of {outcome.frames})"
    if outcome.track is not None:
        source = f"{source} ({_describe_track(outcome.track)})"
    generator = outcome.generator
    total_ms = sum(outcome.timings_ms.values())
    return (
        source,
        Styled(outcome.verdict, _COLOURS[outcome.verdict]),
        f"{outcome.llr:+.2f}",
        outcome.strength,
        f"{outcome.fake_probability:.3f}",
        "" if generator is None else generator.title,
        "" if generator is None else f"{generator.p:.2f}",
        _write_gaze(outcome.gaze),
        f"{total_ms:.1f}",
    )
