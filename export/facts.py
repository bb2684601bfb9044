"""What a bundle says of itself beside its figures: what it was made from, and what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from export.teacher import find_teacher
from gazeclip.bundle.answers import KEY, count_answers
from gazeclip.bundle.layout import SHIPPED_POINT, Precision
from gazeclip.files.hashes import sha256
from gazeclip.run.context import Context
from gazeclip.run.folder import RECIPE
from gazeclip.stages.calibrate import CALIBRATION, Calibration


def describe_sources(context: Context, precision: Precision) -> dict[str, str]:
    """SHA-256 of all that a model file was made from, by name."""
    run = context.run
    known = {
        "recipe": _hash_file(run.root / RECIPE),
        "student": _hash_file(run.folder("student") / "model.safetensors"),
        "teacher": find_teacher(run),
    }
    if precision == "int8":
        folder = run.folder("quantized")
        known["quantized_encoder"] = _hash_file(folder / "encoder.safetensors")
        known["quantized_head"] = _hash_file(folder / "head.safetensors")
    # Of a student without its run the recipe is not known, and perhaps not the teacher.
    return {
        **{f"{name}_sha256": digest for name, digest in known.items() if digest is not None},
        "data_manifest_sha256": context.manifest.hash_file(),
        "taxonomy_sha256": context.taxonomy.hash,
    }


def _hash_file(path: Path) -> str | None:
    return sha256(path) if path.is_file() else None


def describe_answers(
    context: Context, outputs: dict[str, np.ndarray], calibration: Calibration
) -> dict[str, Any]:
    """For `metrics`: what kind of images they are, and each class's answers at `SHIPPED_POINT`."""
    rendered = context.recipe.data.manifest is None
    point = calibration.thresholds[SHIPPED_POINT]
    targets = context.list_targets(CALIBRATION)
    counts = count_answers(outputs, targets, context.classes, calibration.evidence, point)
    return {KEY: counts, "images": "rendered" if rendered else "given"}


def describe_crop(context: Context) -> dict[str, Any]:
    """Empty where nobody says how the images were cut, so that such exports stay up to date."""
    return {} if context.crop is None else context.crop.to_entry()


def model_size_mb(folder: Path, model_file: str) -> float:
    """Size of what an app must carry.

    That is the model file with the weight file beside it, or the whole package.
    """
    path = folder / model_file
    files = list(folder.glob(f"{path.stem}.*"))
    if path.is_dir():  # a package holds its weights itself
        files = [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6
