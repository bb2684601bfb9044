"""The rows of a manifest, each by itself: paths, labels, splits, angles.

`manifest.py` checks the whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from gazeclip.data.table import TableRow, read_rows
from gazeclip.errors import ManifestError, nearest
from gazeclip.images.crop_rule import CROPS
from gazeclip.system.place import name_file
from gazeclip.taxonomy import Taxonomy

SPLITS = ("train", "val", "calibration", "test", "test_unseen")
FAULTS_SHOWN = 5


@dataclass(frozen=True)
class Sample:
    """One image. `gaze` is `(pitch, yaw)` in radians; what is None is unknown.

    `crop` is how it was cut, one of `gazeclip.images.crop_rule.CROPS`.

    `place` is where it stands in its manifest, for messages; empty where there is no file yet.
    """

    path: Path
    label: str
    split: str
    identity: str | None = None
    gaze: tuple[float, float] | None = None
    place: str = field(default="", compare=False)
    crop: str | None = None

    @property
    def prefix(self) -> str:
        """What a message about this row begins with."""
        return f"{self.place}: " if self.place else ""

    @property
    def person(self) -> str:
        """The identity, or where that is unknown a name of its own."""
        return self.identity if self.identity is not None else str(self.path)


@dataclass(frozen=True)
class Row:
    """A row as far as it can be understood.

    `placed`: label and split are known and fit, so that it counts for its class.
    """

    sample: Sample
    faults: tuple[str, ...]
    placed: bool


def parse_row(row: TableRow, base: Path, taxonomy: Taxonomy) -> Row:
    """One row with all of its faults; `base` is the folder its path starts from."""
    # Blanks around a value are how tables are laid out by hand; no image's name ends with one.
    values = {name: value.strip() for name, value in row.values.items()}
    label = values["label"]
    split = values["split"]
    path = base / row.values["path"].rstrip()
    faults = []
    if label not in taxonomy:
        known = [generator.name for generator in taxonomy.generators]
        faults.append(f"unknown label '{label}'. {nearest(label, known)}")
    elif not taxonomy.get(label).seen and split != "test_unseen":
        faults.append(
            f"'{label}' is an unseen generator of the taxonomy but lies in split '{split}'"
        )
    if split not in SPLITS:
        faults.append(f"unknown split '{split}'. {nearest(split, SPLITS)}")
    placed = not faults
    if path == base:
        faults.append("the path names no file")
    if row.surplus:
        faults.append(
            f"{row.surplus} value(s) behind the last column; a value with a comma needs quotes"
        )
    gaze = None
    try:
        gaze = _read_gaze(values.get("gaze_pitch", ""), values.get("gaze_yaw", ""))
    except ValueError:
        faults.append("gaze must be two angles in radians")
    crop = values.get("crop") or None
    if crop is not None and crop not in CROPS:
        faults.append(f"unknown crop '{crop}'. {nearest(crop, CROPS)}")
    identity = values.get("identity") or None
    sample = Sample(path, label, split, identity, gaze, row.place, crop)
    return Row(sample, tuple(f"{sample.prefix}{fault}" for fault in faults), placed)


def _read_gaze(pitch: str, yaw: str) -> tuple[float, float] | None:
    if not pitch and not yaw:
        return None
    gaze = (float(pitch), float(yaw))
    if not all(math.isfinite(angle) and abs(angle) <= math.pi for angle in gaze):
        raise ValueError
    return gaze


def read_samples(path: Path, taxonomy: Taxonomy) -> list[Sample]:
    """The rows of a manifest, checked one by one.

    Unlike a training, statistics and tests need no complete set of splits, so a manifest with a
    single one will do.

    Raises:
        ManifestError: rows that cannot be used, or one image listed twice.
    """
    read = [parse_row(row, path.parent, taxonomy) for row in read_rows(path)]
    samples = [row.sample for row in read]
    faults = [fault for row in read for fault in row.faults]
    seen: set[Path] = set()
    for sample in samples:
        if sample.path in seen:
            faults.append(f"{sample.prefix}{sample.path.name} is listed twice")
        seen.add(sample.path)
    if faults:
        more = f"; and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        raise ManifestError(
            f"{path}: {'; '.join(faults[:FAULTS_SHOWN])}{more}",
            remedy=f"Correct them ({name_file('docs/data.md')}), or choose another --taxonomy",
        )
    return samples


def image_paths(path: Path) -> list[Path]:
    """The files a manifest names, in its order; nothing is checked but the manifest's form."""
    return [path.parent / row.values["path"].rstrip() for row in read_rows(path)]
