"""What a bundle says of itself beside its figures: what it was made from, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from export.settings import find_weight_files, hash_settings, list_stages
from export.teacher import find_teacher
from gazeclip.bundle.answers import KEY, count_answers
from gazeclip.bundle.layout import SHIPPED_POINT, TEXT_BANK, Precision
from gazeclip.files.hashes import sha256
from gazeclip.networks.student import CONFIG
from gazeclip.run.context import Context
from gazeclip.stages.calibrate import CALIBRATION, Calibration

# Of an export stage's configuration: what the program fixes, and what bundle.json says elsewhere.
_NOT_CHOSEN = ("target", "precision", "bounds", "golden_tolerance", "contract")


def describe_sources(
    context: Context, precision: Precision, config: Mapping[str, Any]
) -> dict[str, str]:
    """SHA-256 of all that a model file was made from, by name.

    Args:
        config: of the export stage.
    """
    run = context.run
    found = {
        "student": _hash_file(run.folder("student") / "model.safetensors"),
        "student_config": _hash_file(run.folder("student") / CONFIG),
        "teacher": find_teacher(run),
        "text_bank": _hash_file(run.folder("text_bank") / TEXT_BANK),
    }
    last = "student"
    if precision == "int8":
        last = "quantized"
        found["quantized_encoder"] = _hash_file(run.folder(last) / "encoder.safetensors")
        found["quantized_head"] = _hash_file(run.folder(last) / "head.safetensors")
    stages = list_stages(run, last)
    # Of a student without its run settings are not known, and perhaps not the teacher.
    found["settings"] = hash_settings(config, stages) if stages else None
    found |= find_weight_files(stages)
    return {
        **{f"{name}_sha256": digest for name, digest in found.items() if digest is not None},
        "data_manifest_sha256": context.manifest.hash_file(),
        "taxonomy_sha256": context.taxonomy.hash,
    }


def _hash_file(path: Path) -> str | None:
    return sha256(path) if path.is_file() else None


def describe_parameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """What whoever exports may choose, as it was, beside target and precision.

    Args:
        config: of the export stage.
    """
    kept = {key: value for key, value in config.items() if key not in _NOT_CHOSEN}
    return {"text_bank": "baked", **kept}


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
