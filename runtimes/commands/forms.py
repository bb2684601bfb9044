"""How outcomes are written: a table, CSV, one JSON object, or one JSON object a line.

All but the table write each outcome as soon as it is there and hold none, so that memory does not
grow with a folder.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any, Protocol, TextIO

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.console.lines import print_line
from gazeclip.console.text import format_json
from gazeclip.images.crop_rule import FACE
from runtimes.answers import Tally, describe_outcome, describe_run
from runtimes.commands.beside import Beside
from runtimes.render import CSV_COLUMNS, TableRows, describe_totals, make_csv_row, make_line
from runtimes.verifier import Outcome, Verifier

_INDENT = "  "
NOTHING = Beside(None)


class Form(Protocol):
    """Where outcomes go.

    Attributes:
        is_streamed: whether each is written when it is added.
    """

    is_streamed: bool

    def add(self, source: str, outcome: Outcome, copy: Path | None = None) -> None:
        """One outcome, in order.

        Args:
            source: the name of its image.
            copy: where an annotated copy of that lies.
        """

    def close(self, tally: Tally) -> None:
        """All were added; `tally` counts them."""


def open_form(
    args: argparse.Namespace,
    verifier: Verifier,
    point: OperatingPoint,
    beside: Beside = NOTHING,
) -> Form:
    """The form that was asked for, on standard output."""
    if args.json:
        run = describe_run(verifier, point, args.crop)
        return JsonForm(sys.stdout, run, args.embedding, beside)
    if args.jsonl:
        return JsonLinesForm(sys.stdout, args.embedding, beside)
    if args.csv:
        return CsvForm(sys.stdout, beside)
    if args.watch is not None:
        return LinesForm(sys.stdout, beside)
    return TableForm(sys.stdout, args.crop == FACE, beside)


class TableForm:
    """A table for people, printed at the end, as its columns are as wide as all rows need."""

    is_streamed = False

    def __init__(self, stream: TextIO, with_faces: bool, beside: Beside = NOTHING) -> None:
        self._stream = stream
        self._rows = TableRows(with_faces, beside.header)
        self._beside = beside

    def add(self, source: str, outcome: Outcome, copy: Path | None = None) -> None:
        """Keep its cells."""
        self._rows.add(source, outcome, self._beside.cells(source))

    def close(self, tally: Tally) -> None:
        """Print the table and a line of totals."""
        self._rows.print(self._stream, tally)


class LinesForm:
    """A line for each outcome, for people who watch."""

    is_streamed = True

    def __init__(self, stream: TextIO, beside: Beside = NOTHING) -> None:
        self._stream = stream
        self._beside = beside

    def add(self, source: str, outcome: Outcome, copy: Path | None = None) -> None:
        """Print its line."""
        cells = (make_line(source, outcome), *self._beside.cells(source))
        print_line("  ".join(cells), self._stream)
        self._stream.flush()

    def close(self, tally: Tally) -> None:
        """Print a line of totals."""
        print_line(describe_totals(tally), self._stream)


class CsvForm:
    """One row per verdict, and one for each image that has none."""

    is_streamed = True

    def __init__(self, stream: TextIO, beside: Beside = NOTHING) -> None:
        self._stream = stream
        self._beside = beside
        columns = (*CSV_COLUMNS, *beside.csv_columns)
        self._writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        self._writer.writeheader()
        stream.flush()

    def add(self, source: str, outcome: Outcome, copy: Path | None = None) -> None:
        """Write its row."""
        row = make_csv_row(source, outcome, copy) | self._beside.csv_row(source)
        self._writer.writerow(row)
        self._stream.flush()

    def close(self, tally: Tally) -> None:
        """Nothing is left to be written."""


class JsonLinesForm:
    """Each line is what `--json` has in `results`."""

    is_streamed = True

    def __init__(self, stream: TextIO, embedding: bool, beside: Beside = NOTHING) -> None:
        self._stream = stream
        self._embedding = embedding
        self._beside = beside

    def add(self, source: str, outcome: Outcome, copy: Path | None = None) -> None:
        """Write its line."""
        entry = describe_outcome(source, outcome, self._embedding, copy)
        entry |= self._beside.describe(source)
        self._stream.write(format_json(entry, only_ascii=True, indent=None) + "\n")
        self._stream.flush()

    def close(self, tally: Tally) -> None:
        """Nothing is left to be written."""


class JsonForm:
    """One object, written piece by piece: as `format_json` writes it whole."""

    is_streamed = True

    def __init__(
        self, stream: TextIO, run: dict[str, Any], embedding: bool, beside: Beside = NOTHING
    ) -> None:
        self._stream = stream
        self._embedding = embedding
        self._beside = beside
        self._count = 0
        head = format_json(run, only_ascii=True).removesuffix("\n}")
        self._write(f'{head},\n{_INDENT}"results": [')

    def add(self, source: str, outcome: Outcome, copy: Path | None = None) -> None:
        """Write its entry."""
        entry = describe_outcome(source, outcome, self._embedding, copy)
        entry |= self._beside.describe(source)
        text = format_json(entry, only_ascii=True).replace("\n", f"\n{2 * _INDENT}")
        comma = "," if self._count else ""
        self._write(f"{comma}\n{2 * _INDENT}{text}")
        self._count += 1

    def close(self, tally: Tally) -> None:
        """Write the summary and the end of the object."""
        summary = format_json(tally.summarise(), only_ascii=True).replace("\n", f"\n{_INDENT}")
        end = f"\n{_INDENT}]" if self._count else "]"
        self._write(f'{end},\n{_INDENT}"summary": {summary}\n}}\n')

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
