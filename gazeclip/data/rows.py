"""The rows of a manifest, each by itself: reading CSV and Parquet, labels, splits, angles. `manifest.py` checks the whole."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gazeclip.errors import ManifestError, nearest, require
from gazeclip.taxonomy import Taxonomy

SPLITS = ("train", "val", "calibration", "test", "test_unseen")
REQUIRED = ("path", "label", "split")
FAULTS_SHOWN = 5


@dataclass(frozen=True)
class Sample:
    """One image. `gaze` is `(pitch, yaw)` in radians, or None if not annotated; `identity` is None if unknown."""

    path: Path
    label: str
    split: str
    identity: str | None = None
    gaze: tuple[float, float] | None = None

    @property
    def person(self) -> str:
        """The identity, or where that is unknown a name of its own."""
        return self.identity if self.identity is not None else str(self.path)


@dataclass(frozen=True)
class Row:
    """A row as far as it can be understood. `placed`: label and split are known and fit, so that it counts for its class."""

    sample: Sample
    faults: tuple[str, ...]
    placed: bool


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows as text, with the required columns there.

    Raises:
        ManifestError: no such file, not CSV or Parquet, no rows, or a column missing.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ManifestError(f"manifest {path} {what}", remedy="Make one: python -m gazeclip data manifest FOLDER")
    rows = _parquet_rows(path) if path.suffix == ".parquet" else _csv_rows(path)
    missing = [column for column in REQUIRED if rows and column not in rows[0]]
    if not rows or missing:
        what = f"lacks the column(s) {', '.join(missing)}" if missing else "has no rows"
        raise ManifestError(f"{path} {what}", remedy="Columns: path,label,split[,identity,gaze_pitch,gaze_yaw]")
    return rows


def _csv_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [{k: v or "" for k, v in row.items() if k} for row in csv.DictReader(file)]
    except OSError as error:
        raise ManifestError(f"{path} cannot be read ({error.strerror or error})", remedy="Correct its permissions or name another file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path} is not a CSV file ({error})", remedy="Save it as UTF-8 CSV with a header") from error


def _parquet_rows(path: Path) -> list[dict[str, str]]:
    parquet, arrow = require("pyarrow.parquet", extra="train"), require("pyarrow", extra="train")
    try:
        table = parquet.read_table(path).to_pylist()
    except (OSError, ValueError, arrow.ArrowException) as error:  # which of them, depends on where the bytes are damaged
        reason = " ".join(str(error).split())[:200]
        raise ManifestError(f"{path} is not a whole Parquet file ({reason})", remedy="Write it again, or save it as CSV") from error
    return [{key: "" if value is None else str(value) for key, value in row.items()} for row in table]


def parse_row(row: Mapping[str, str], number: int, base: Path, taxonomy: Taxonomy) -> Row:
    """One row with all of its faults; `number` is its line in the file, `base` the folder its path starts from."""
    label, split = row["label"], row["split"]
    faults = []
    if label not in taxonomy:
        faults.append(f"row {number}: unknown label '{label}'. {nearest(label, [g.name for g in taxonomy.generators])}")
    elif not taxonomy.get(label).seen and split != "test_unseen":
        faults.append(f"row {number}: '{label}' is an unseen generator of the taxonomy but lies in split '{split}'")
    if split not in SPLITS:
        faults.append(f"row {number}: unknown split '{split}'. {nearest(split, SPLITS)}")
    placed = not faults
    if base / row["path"] == base:
        faults.append(f"row {number}: the path names no file")
    gaze = None
    if row.get("gaze_pitch") or row.get("gaze_yaw"):
        try:
            gaze = (float(row.get("gaze_pitch", "")), float(row.get("gaze_yaw", "")))
            if not all(math.isfinite(angle) and abs(angle) <= math.pi for angle in gaze):
                raise ValueError
        except ValueError:
            faults.append(f"row {number}: gaze must be two angles in radians")
    return Row(Sample(base / row["path"], label, split, row.get("identity") or None, gaze), tuple(faults), placed)


def read_samples(path: Path, taxonomy: Taxonomy) -> list[Sample]:
    """The rows of a manifest, checked one by one.

    Unlike a training, statistics and tests need no complete set of splits, so a manifest with a single one will do.

    Raises:
        ManifestError: rows that cannot be used, or one image listed twice.
    """
    read = [parse_row(row, number, path.parent, taxonomy) for number, row in enumerate(read_rows(path), start=2)]
    samples = [row.sample for row in read]
    faults = [fault for row in read for fault in row.faults]
    seen: set[Path] = set()
    for sample in samples:
        if sample.path in seen:
            faults.append(f"{sample.path.name} is listed twice")
        seen.add(sample.path)
    if faults:
        more = f"; and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        raise ManifestError(f"{path}: {'; '.join(faults[:FAULTS_SHOWN])}{more}", remedy="Correct them (docs/data.md), or choose another --taxonomy")
    return samples


def image_paths(path: Path) -> list[Path]:
    """The files a manifest names, in its order; nothing is checked but the manifest's form."""
    return [path.parent / row["path"] for row in read_rows(path)]
