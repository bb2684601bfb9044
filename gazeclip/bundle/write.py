"""Turns a folder with an exported model into a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gazeclip.bundle.answers import KEY as ANSWERS
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.card import model_card
from gazeclip.bundle.check import array_faults, bundle_files, meta_faults, refuse, seal
from gazeclip.bundle.contents import BundleContents, OperatingPoint
from gazeclip.bundle.gate import KEY as GATE
from gazeclip.bundle.gate import is_rejected
from gazeclip.bundle.gaze import KEY as GAZE
from gazeclip.bundle.layout import (
    BANK_SCHEMA,
    CARD,
    GOLDEN,
    INPUT_NAME,
    MANIFEST,
    ORIGIN,
    OUTPUTS,
    SCHEMA,
    SHIPPED_POINT,
    SIGNATURE,
    TEXT_BANK,
)
from gazeclip.bundle.origin import describe_origin
from gazeclip.bundle.parts import write_golden, write_text_bank
from gazeclip.files.atomic import write_json, write_text
from gazeclip.files.hashes import sha256
from gazeclip.scoring.evidence import Evidence


def write_bundle(folder: str | Path, contents: BundleContents) -> Bundle:
    """Turn a folder that already holds the model into a bundle, read back by `Bundle.load`.

    bundle.json is written last and atomically, so a killed export leaves no bundle. Equal contents
    give equal bytes.

    Args:
        folder: holds the model file and nothing stale; every file in it that is not hidden becomes
            part of the bundle.
        contents: all the rest.

    Raises:
        BundleError: the parts do not fit each other (all faults named).
    """
    folder = Path(folder)
    meta = describe_contents(contents)
    golden = contents.golden
    refuse(folder, meta_faults(meta | {"digest": ""}, files=False))
    refuse(folder, array_faults(meta, contents.text_bank, golden.images, golden.outputs))
    _write_parts(folder, meta, contents)
    files = _list_files(folder)
    write_json(folder / ORIGIN, describe_origin(meta, files))
    meta["files"] = files | {ORIGIN: _describe_file(folder / ORIGIN)}
    write_json(folder / MANIFEST, meta | {"digest": seal(meta)})
    return Bundle.load(folder)


def copy_with_point(
    source: Path,
    target: Path,
    point: OperatingPoint,
    evidence: Evidence,
    metrics: Mapping[str, Any],
) -> Bundle:
    """A copy of a bundle that has one operating point more, or another one of that name.

    The model file stays as it is, so its evidence does as well; only the limits of the LLR may be
    wider, for the new thresholds, and with them `metrics` of the calibration split.

    Raises:
        BundleError: the source is no whole bundle, or evidence or thresholds are no numbers.
    """
    original = Bundle.load(source)
    meta = dict(original.meta)
    meta["evidence"] = evidence.to_entry()
    kept = dict(meta["metrics"])
    if point.name == SHIPPED_POINT:  # what was counted at the former one says nothing of this
        kept.pop(ANSWERS, None)
    meta["metrics"] = {**kept, **metrics}
    meta["thresholds"] = {**meta["thresholds"], point.name: point.to_entry()}
    if point.name == SHIPPED_POINT and not is_rejected(meta):
        meta.pop(GATE, None)  # it judged by another threshold
    refuse(source, meta_faults(meta | {"digest": ""}, files=False))
    for name in meta["files"]:
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, place)
    write_text(target / CARD, model_card(meta))
    if ORIGIN in meta["files"]:
        write_json(target / ORIGIN, describe_origin(meta, _list_files(target)))
    meta["files"] = _list_files(target)
    write_json(target / MANIFEST, meta | {"digest": seal(meta)})
    return Bundle.load(target)


def _list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and hash of every file of the bundle."""
    return {name: _describe_file(folder / name) for name in bundle_files(folder)}


def _describe_file(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def describe_contents(contents: BundleContents) -> dict[str, Any]:
    """bundle.json as JSON values, still without a file list and a digest."""
    size = contents.contract.size
    crop = {} if contents.crop is None else contents.crop.to_entry()
    meta = {
        "schema": SCHEMA,
        "target": contents.target,
        "precision": contents.precision,
        "model_file": contents.model_file,
        "classes": [asdict(entry) for entry in contents.classes],
        "image_size": size,
        "embedding_dim": contents.text_bank.shape[-1],
        "contract": contents.contract.to_dict() | crop,
        "input": {
            "layout": "NHWC",
            "dtype": "uint8",
            "colour": "RGB",
            "shape": [None, size, size, 3],
        },
        "io": {name: name for name in (INPUT_NAME, *OUTPUTS)} | dict(contents.io_names),
        "temperature": contents.temperature,
        "evidence": contents.evidence.to_entry(),
        "thresholds": {name: point.to_entry() for name, point in contents.thresholds.items()},
        "metrics": contents.metrics,
        "parity": contents.parity,
        "parameters": contents.parameters,
        "provenance": contents.provenance,
        "versions": contents.versions,
        "licence": contents.licence,
        "golden": {"n": len(contents.golden.images), "tolerance": contents.golden.tolerance},
        "files": {},
    }
    if not contents.gaze:
        meta[GAZE] = False
    if contents.gate is not None:
        meta["gate"] = contents.gate
    if contents.bank_input is not None:
        meta["schema"] = BANK_SCHEMA
        meta["text_bank"] = asdict(contents.bank_input)
    return {key: _to_json_values(value) for key, value in meta.items()}


def _write_parts(folder: Path, meta: Mapping[str, Any], contents: BundleContents) -> None:
    (folder / MANIFEST).unlink(missing_ok=True)  # from here until the end there is no bundle
    (folder / SIGNATURE).unlink(missing_ok=True)  # of what was here before
    for leftover in folder.rglob(".*.partial"):
        if leftover.is_file():
            leftover.unlink()
    write_text_bank(folder / TEXT_BANK, contents.text_bank)
    write_golden(folder / GOLDEN, contents.golden.images, contents.golden.outputs)
    write_text(folder / CARD, model_card(meta))


def _to_json_values(value: Any) -> Any:
    """NumPy scalars, tuples and paths as the JSON values they stand for."""
    if isinstance(value, Mapping):
        return {str(key): _to_json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json_values(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value) if isinstance(value, Path) else value
