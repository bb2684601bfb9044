"""The data manifest: one row per image, checked once and completely before anything is trained on it.

Columns: `path` (relative to the manifest), `label` (a generator of the taxonomy, or `real`), `split`; optional `identity`,
`gaze_pitch`, `gaze_yaw` (radians). Further columns are kept out of the way.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gazeclip.checkpoint import sha256
from gazeclip.errors import ManifestError, nearest, require
from gazeclip.taxonomy import REAL, Taxonomy

SPLITS = ("train", "val", "calibration", "test", "test_unseen")
TUNED = ("train", "val", "calibration")  # what a model is fitted or tuned on; each apart from every other split
REQUIRED = ("path", "label", "split")
MAX_FAULTS_SHOWN = 20


@dataclass(frozen=True)
class Sample:
    """One image. `gaze` is `(pitch, yaw)` in radians, or None if not annotated; `identity` is None if unknown."""

    path: Path
    label: str
    split: str
    identity: str | None = None
    gaze: tuple[float, float] | None = None


@dataclass(frozen=True)
class Manifest:
    """Checked samples, in file order."""

    path: Path
    samples: tuple[Sample, ...]
    taxonomy: Taxonomy

    @property
    def classes(self) -> tuple[str, ...]:
        """`real` and the generators of the training split, in taxonomy order."""
        return self.taxonomy.classes({sample.label for sample in self.split("train")})

    def split(self, name: str) -> list[Sample]:
        """The samples of one split."""
        return [sample for sample in self.samples if sample.split == name]

    def labels(self, split: str) -> np.ndarray:
        """Label names of one split, `(N,)`."""
        return np.array([sample.label for sample in self.split(split)])

    def counts(self) -> dict[str, dict[str, int]]:
        """split -> label -> number of images."""
        table: dict[str, dict[str, int]] = {}
        for sample in self.samples:
            row = table.setdefault(sample.split, {})
            row[sample.label] = row.get(sample.label, 0) + 1
        return table

    def content_hash(self) -> str:
        """SHA-256 of the manifest file."""
        return sha256(self.path)


def read_manifest(
    path: Path, taxonomy: Taxonomy, *, check_images: bool = True, progress: Callable[[int, int], None] | None = None
) -> Manifest:
    """Read a CSV or Parquet manifest and check everything.

    Raises:
        ManifestError: naming all faults together: missing columns or files, unreadable images, unknown labels or splits,
            an unseen generator outside test_unseen, identities or images in two splits, empty classes.
    """
    path = Path(path)
    rows = _rows(path)
    faults: list[str] = []
    samples = tuple(sample for number, row in enumerate(rows, start=2) if (sample := _sample(row, number, path.parent, taxonomy, faults)))
    faults += _split_faults(samples) + _class_faults(samples, taxonomy)
    faults += _file_faults(samples, check_images, progress)
    if faults:
        shown = "".join(f"\n  - {fault}" for fault in faults[:MAX_FAULTS_SHOWN])
        more = f"\n  ... and {len(faults) - MAX_FAULTS_SHOWN} more" if len(faults) > MAX_FAULTS_SHOWN else ""
        raise ManifestError(f"{path} has {len(faults)} fault(s):{shown}{more}\n", remedy="Correct them (docs/data.md) and run again")
    return Manifest(path, samples, taxonomy)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise ManifestError(f"manifest {path} does not exist", remedy="Make one: python -m gazeclip data manifest FOLDER")
    if path.suffix == ".parquet":
        table = require("pyarrow.parquet", extra="train").read_table(path).to_pylist()
        rows = [{key: "" if value is None else str(value) for key, value in row.items()} for row in table]
    else:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = [{k: v or "" for k, v in row.items() if k} for row in csv.DictReader(file)]
        except (UnicodeDecodeError, csv.Error) as error:
            raise ManifestError(f"{path} is not a CSV file ({error})", remedy="Save it as UTF-8 CSV with a header") from error
    missing = [column for column in REQUIRED if rows and column not in rows[0]]
    if not rows or missing:
        what = f"lacks the column(s) {', '.join(missing)}" if missing else "has no rows"
        raise ManifestError(f"{path} {what}", remedy="Columns: path,label,split[,identity,gaze_pitch,gaze_yaw]")
    return rows


def _sample(row: dict[str, str], number: int, base: Path, taxonomy: Taxonomy, faults: list[str]) -> Sample | None:
    label, split, before = row["label"], row["split"], len(faults)
    if label not in taxonomy:
        faults.append(f"row {number}: unknown label '{label}'. {nearest(label, [g.name for g in taxonomy.generators])}")
    elif not taxonomy.get(label).seen and split != "test_unseen":
        faults.append(f"row {number}: '{label}' is an unseen generator of the taxonomy but lies in split '{split}'")
    if split not in SPLITS:
        faults.append(f"row {number}: unknown split '{split}'. {nearest(split, SPLITS)}")
    gaze = None
    if row.get("gaze_pitch") or row.get("gaze_yaw"):
        try:
            gaze = (float(row.get("gaze_pitch", "")), float(row.get("gaze_yaw", "")))
            if not all(math.isfinite(angle) and abs(angle) <= math.pi for angle in gaze):
                raise ValueError
        except ValueError:
            faults.append(f"row {number}: gaze must be two angles in radians")
    if len(faults) > before:
        return None
    return Sample(base / row["path"], label, split, row.get("identity") or None, gaze)


def _split_faults(samples: Sequence[Sample]) -> list[str]:
    """An image twice, or an identity of train, val or calibration in any other split."""
    faults = []
    seen: dict[Path, str] = {}
    identities: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        if sample.path in seen:
            faults.append(f"{sample.path.name} is listed twice (splits {seen[sample.path]} and {sample.split})")
        seen[sample.path] = sample.split
        if sample.identity:
            identities[sample.identity].add(sample.split)
    for identity, splits in sorted(identities.items()):
        if len(splits) > 1 and splits & set(TUNED):
            faults.append(f"identity '{identity}' lies in the splits {', '.join(sorted(splits))}")
    return faults


def _class_faults(samples: Sequence[Sample], taxonomy: Taxonomy) -> list[str]:
    """Empty splits, splits without reals, seen generators that are tested but never trained on."""
    faults = []
    present: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        present[sample.split].add(sample.label)
    for split in SPLITS:
        if not present[split]:
            if split != "test_unseen":  # a data set without held-out generators is legitimate
                faults.append(f"split '{split}' is empty")
            continue
        if REAL not in present[split]:
            faults.append(f"split '{split}' has no real images")
        if present[split] == {REAL}:
            faults.append(f"split '{split}' has no forgeries")
        for label in sorted(present[split] - present["train"]):
            if split != "test_unseen":
                faults.append(f"'{label}' lies in split '{split}' but not in train")
        for label in sorted(present[split] & present["train"] - {REAL}):
            if split == "test_unseen":
                faults.append(f"'{label}' lies in test_unseen and in train")
    for label in sorted(present["train"]):
        for split in ("val", "calibration", "test"):
            if present[split] and label not in present[split]:
                faults.append(f"split '{split}' has no image of '{label}', which is trained on")
    return faults


def _file_faults(samples: Sequence[Sample], decode: bool, progress: Callable[[int, int], None] | None) -> list[str]:
    faults: list[str] = []
    hashes: dict[str, Sample] = {}
    for number, sample in enumerate(samples):
        if not sample.path.is_file():
            faults.append(f"{sample.path} is missing")
        elif decode:
            try:
                with Image.open(sample.path) as image:
                    image.load()
                digest = sha256(sample.path)
                if hashes.setdefault(digest, sample).split != sample.split:
                    faults.append(f"{sample.path.name} ({sample.split}) is the same file as {hashes[digest].path.name} ({hashes[digest].split})")
            except Exception as error:  # Pillow raises nearly anything on damaged bytes
                faults.append(f"{sample.path} cannot be read ({str(error) or type(error).__name__})")
        if progress is not None:
            progress(number + 1, len(samples))
    return faults
