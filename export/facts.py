"""What a bundle says of itself beside its figures: what it was made from, and what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gazeclip.bundle.answers import KEY, count_answers
from gazeclip.bundle.layout import SHIPPED_POINT, Precision
from gazeclip.files.hashes import sha256
from gazeclip.run.context import Context
from gazeclip.run.folder import RECIPE
from gazeclip.stages.calibrate import CALIBRATION, Calibration


def describe_sources(context: Context, precision: Precision) -> dict[str, str]:
    """SHA-256 of all that a model file was made from, by name."""
    run = context.run
    files: dict[str, Path] = {
        "recipe": run.root / RECIPE,
        "student": run.folder("student") / "model.safetensors",
        "teacher": run.folder("teacher") / "model.safetensors",
    }
    if precision == "int8":
        files["quantized_encoder"] = run.folder("quantized") / "encoder.safetensors"
        files["quantized_head"] = run.folder("quantized") / "head.safetensors"
    # Of a student without its run, recipe and teacher are not known.
    known = {name: sha256(path) for name, path in files.items() if path.is_file()}
    return {
        **{f"{name}_sha256": digest for name, digest in known.items()},
        "data_manifest_sha256": context.manifest.hash_file(),
        "taxonomy_sha256": context.taxonomy.hash,
    }


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
