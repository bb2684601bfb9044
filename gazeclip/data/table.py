"""The table that a manifest is, as text: CSV or Parquet, each row with its place in the file.

What stands in it is read by `rows.py`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazeclip.data.columns import REMEDY, check_header
from gazeclip.errors import ManifestError
from gazeclip.system.memory import take_arrow_from_mimalloc
from gazeclip.system.packages import require
from gazeclip.system.place import command_line

_AS_CSV = "Save it as UTF-8 CSV with a header"


@dataclass(frozen=True)
class TableRow:
    """Column -> text. `place`: `line N` of a CSV file as an editor counts, or `row N` of Parquet.

    `surplus`: values behind the last column.
    """

    place: str
    values: dict[str, str]
    surplus: int = 0


def read_rows(path: Path) -> list[TableRow]:
    """The rows as text, with the required columns there.

    Raises:
        ManifestError: no such file, not CSV or Parquet, no rows, a column missing, there twice or
            misspelt.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ManifestError(
            f"manifest {path} {what}",
            remedy=f"Make one: {command_line('data', 'manifest', 'FOLDER')}",
        )
    rows = _parquet_rows(path) if path.suffix == ".parquet" else _csv_rows(path)
    if not rows:
        raise ManifestError(f"{path} has no rows", remedy=REMEDY)
    return rows


def _csv_rows(path: Path) -> list[TableRow]:
    try:
        _refuse_utf16(path)
        with path.open(newline="", encoding="utf-8-sig") as file:
            # A blank behind a comma is no part of a value, and a quote behind it is a quote.
            return list(_numbered_rows(path, csv.reader(file, skipinitialspace=True)))
    except OSError as error:
        raise ManifestError(
            f"{path} cannot be read ({error.strerror or error})",
            remedy="Correct its permissions or name another file",
        ) from error
    except UnicodeDecodeError as error:
        raise _encoding_error(path) from error
    except csv.Error as error:
        raise ManifestError(f"{path} is not a CSV file ({error})", remedy=_AS_CSV) from error


def _encoding_error(path: Path) -> ManifestError:
    """Of a file that is no UTF-8: text of another encoding, with the first line, or no text."""
    data = path.read_bytes()
    if b"\0" in data:
        return ManifestError(f"{path} is not a CSV file, but binary data", remedy=_AS_CSV)
    # What is no UTF-8 stays a replacement sign.
    before, _, _ = data.decode("utf-8", errors="replace").partition("\ufffd")
    line = before.count("\n") + 1
    return ManifestError(
        f"{path} is not UTF-8 CSV: line {line} has letters of another encoding",
        remedy="Save it as 'CSV UTF-8', or convert it, such as from Latin-1:"
        " iconv -f LATIN1 -t UTF-8 OLD > NEW",
    )


def _refuse_utf16(path: Path) -> None:
    """Spreadsheets call this encoding "Unicode text"."""
    with path.open("rb") as file:
        head = file.read(8)
    zeros = len(head) == 8 and (not any(head[::2]) or not any(head[1::2]))
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or zeros:
        raise ManifestError(
            f"{path} is UTF-16 text, not UTF-8 CSV",
            remedy="Save it as 'CSV UTF-8', or convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW",
        )


def _numbered_rows(path: Path, reader: Any) -> Iterator[TableRow]:
    """The rows behind the header; blank lines are none, but count as lines."""
    header: list[str] | None = None
    before = 0
    for values in reader:
        # a quoted value may go over several lines
        first = before + 1
        before = reader.line_num
        if not any(value.strip() for value in values) and len(values) < 2:
            continue
        if header is None:
            header = [name.strip() for name in values]
            check_header(path, header)
            continue
        surplus = sum(bool(value.strip()) for value in values[len(header) :])
        filled = [*values, *[""] * (len(header) - len(values))]
        named = {name: value for name, value in zip(header, filled, strict=False) if name}
        yield TableRow(f"line {first}", named, surplus)


def _parquet_rows(path: Path) -> list[TableRow]:
    take_arrow_from_mimalloc()
    parquet = require("pyarrow.parquet", extra="train")
    arrow = require("pyarrow", extra="train")
    try:
        names = parquet.read_schema(path).names
        check_header(path, names)  # pyarrow reads no table with a name that is there twice
        columns = [column.to_pylist() for column in parquet.read_table(path).columns]
    # which of them, depends on where the bytes are damaged
    except (OSError, ValueError, arrow.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise ManifestError(
            f"{path} is not a whole Parquet file ({reason})",
            remedy="Write it again, or save it as CSV",
        ) from error
    rows = []
    for number, values in enumerate(zip(*columns, strict=True), start=1):
        texts = ["" if value is None else str(value) for value in values]
        rows.append(TableRow(f"row {number}", dict(zip(names, texts, strict=True))))
    return rows
