"""Gaze of every image of a manifest: from its columns, or measured by an encoder.

What is measured is kept, so that nothing is measured twice.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gazeclip.console.progress import progress, say
from gazeclip.data.rows import Sample
from gazeclip.errors import ArtifactError, ConfigError, ManifestError, WeightsError
from gazeclip.files.atomic import read_json, write_csv, write_json
from gazeclip.files.hashes import sha256
from gazeclip.system.packages import require
from gazeclip.system.place import name_file

if TYPE_CHECKING:
    from gazeclip.teacher.gaze.encoder import GazeEncoder

LABELS = "labels"
ENCODERS = ("eth-xgaze", "l2cs", "small")
REMEDY = "Measure it: --gaze eth-xgaze --weights FILE"
TABLE = "gaze.csv"
ORIGIN = "gaze.json"
COLUMNS = ("path", "label", "split", "pitch", "yaw")
BATCH_SIZE = 32
KEEP_EVERY = 20  # batches between two writes of the table
Row = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Gaze:
    """Pitch and yaw in radians, `angles (N, 2)`, one row per sample, and where they come from."""

    angles: np.ndarray
    source: str
    weights_sha256: str | None = None


def labelled_gaze(samples: Sequence[Sample]) -> Gaze:
    """The manifest's own `gaze_pitch` and `gaze_yaw`.

    Raises:
        ManifestError: a sample has none.
    """
    missing = [sample.path.name for sample in samples if sample.gaze is None]
    if missing:
        raise ManifestError(
            f"{len(missing)} of {len(samples)} images have no gaze_pitch and gaze_yaw "
            f"(the first: {missing[0]})",
            remedy=REMEDY,
        )
    angles = np.array([sample.gaze for sample in samples], dtype=np.float64)
    return Gaze(angles, "gaze labels of the manifest")


def measured_gaze(
    samples: Sequence[Sample], manifest: Path, kind: str, weights: Path | None, out: Path
) -> Gaze:
    """What the encoder says of every sample.

    `out` keeps it for as long as manifest, encoder and weights stay the same.

    Raises:
        ConfigError: unknown encoder.
        ImageError: an image cannot be read; names it.
        WeightsError: no weight file, or one that does not fit.
    """
    if kind not in ENCODERS:
        raise ConfigError(
            f"unknown gaze encoder '{kind}'", remedy=f"Known: {', '.join((*ENCODERS, LABELS))}"
        )
    if weights is None:
        raise WeightsError(
            f"--gaze {kind} needs a weight file",
            remedy=f"Add --weights FILE ({name_file('docs/data.md')}, gaze encoders)",
        )
    if not weights.is_file():
        raise WeightsError(f"weights file {weights} does not exist", remedy="Correct --weights")
    origin = {
        "encoder": kind,
        "manifest_sha256": sha256(manifest),
        "weights_sha256": sha256(weights),
    }
    named = {_name_sample(sample, manifest): sample for sample in samples}
    rows = _read_kept(out, origin)
    todo = [name for name in named if name not in rows]
    if rows:
        say(f"gaze: {len(samples) - len(todo)} of {len(samples)} images from {out / TABLE}")
    if todo:
        encoder = _build_encoder(kind, weights)
        starts = range(0, len(todo), BATCH_SIZE)
        for count, start in enumerate(progress(starts, "gaze", len(starts)), start=1):
            batch = todo[start : start + BATCH_SIZE]
            found = _measure_batch(encoder, [named[name].path for name in batch])
            for name, angles in zip(batch, found, strict=True):
                rows[name] = _format_row(name, named[name], angles)
            if count % KEEP_EVERY == 0 or count == len(starts):
                _keep_rows(rows.values(), out, origin)
    names = [_name_sample(sample, manifest) for sample in samples]
    # Read back from the rows, so that a second call computes with exactly the same numbers.
    angles = np.array([rows[name][3:] for name in names], dtype=np.float64)
    return Gaze(angles, f"{kind}, file {weights.name}", origin["weights_sha256"])


def _format_row(name: str, sample: Sample, angles: np.ndarray) -> Row:
    return name, sample.label, sample.split, f"{angles[0]:.6f}", f"{angles[1]:.6f}"


def _keep_rows(rows: Iterable[Row], out: Path, origin: dict[str, str]) -> None:
    """Write `gaze.csv` for people and programs, and `gaze.json`: what it was measured from."""
    # Killed between the two, the table counts for nothing rather than for the wrong weights.
    (out / ORIGIN).unlink(missing_ok=True)
    write_csv(out / TABLE, COLUMNS, rows)
    write_json(out / ORIGIN, {**origin, "table_sha256": sha256(out / TABLE)})


def _read_kept(out: Path, origin: dict[str, str]) -> dict[str, Row]:
    """Rows by path of an earlier call.

    None if it measured something else, or if the table was changed since.
    """
    if not (out / ORIGIN).is_file() or not (out / TABLE).is_file():
        return {}
    try:
        found = read_json(out / ORIGIN)
    except ArtifactError:
        found = {}
    if found != {**origin, "table_sha256": sha256(out / TABLE)}:
        say(f"gaze: {out / TABLE} is of another manifest, encoder or weights; measuring again")
        return {}
    with (out / TABLE).open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))[1:]
    return {line[0]: (line[0], line[1], line[2], line[3], line[4]) for line in lines}


def _name_sample(sample: Sample, manifest: Path) -> str:
    base = manifest.parent
    path = sample.path
    if path.is_relative_to(base):
        path = path.relative_to(base)
    return path.as_posix()


def _build_encoder(kind: str, weights: Path) -> GazeEncoder:
    torch = require("torch", extra="train")
    from gazeclip.recipe.teacher import GazeConfig
    from gazeclip.teacher.gaze.build import build_gaze_encoder

    config = GazeConfig(kind=kind, weights=str(weights))  # type: ignore[arg-type]
    encoder = build_gaze_encoder(config)
    return encoder.to("cuda" if torch.cuda.is_available() else "cpu")  # type: ignore[union-attr]


def _measure_batch(encoder: GazeEncoder, paths: Sequence[Path]) -> np.ndarray:
    """Pitch and yaw in radians `(B, 2)`, float64."""
    import torch

    from gazeclip.images.preprocess import PixelContract

    contract = PixelContract(encoder.input_size)
    pixels = np.stack([contract.apply(path) for path in paths])  # uint8 `(B, S, S, 3)`
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    with torch.inference_mode():
        angles = encoder(batch.to(encoder.mean.device)).gaze.double().cpu().numpy()
    bad = ~np.isfinite(angles).all(axis=1)
    if bad.any():
        raise WeightsError(
            f"the encoder gives no number for {paths[int(np.argmax(bad))]}",
            remedy="Check --weights against --gaze",
        )
    return angles
