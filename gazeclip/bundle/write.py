"""Turns a folder with an exported model into a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.card import model_card
from gazeclip.bundle.check import array_faults, bundle_files, meta_faults, refuse, seal
from gazeclip.bundle.layout import GOLDEN, MANIFEST, OUTPUTS, SCHEMA, TEXT_BANK
from gazeclip.bundle.parts import write_golden, write_text_bank, write_whole
from gazeclip.files.atomic import write_json
from gazeclip.files.hashes import sha256
from gazeclip.images.preprocess import PixelContract


def write_bundle(
    folder: str | Path,
    *,
    target: str,
    precision: str,
    model_file: str,
    classes: Sequence[Mapping[str, str]],
    image_size: int,
    contract: PixelContract | Mapping[str, Any],
    temperature: Mapping[str, float],
    thresholds: Mapping[str, Any],
    metrics: Mapping[str, Any],
    parity: Mapping[str, Any],
    provenance: Mapping[str, Any],
    versions: Mapping[str, str],
    text_bank: np.ndarray,
    golden_images: np.ndarray,
    golden_outputs: Mapping[str, np.ndarray],
    golden_tolerance: Mapping[str, float],
    io_names: Mapping[str, str] | None = None,
    licence: str = "Apache-2.0",
) -> Bundle:
    """Turn a folder that already holds the model into a bundle, and return it as `Bundle.load`
    reads it.

    bundle.json is written last and atomically, so a killed export leaves no bundle. Equal arguments
    give equal bytes.

    Args:
        folder: holds the model file and nothing stale; every file in it that is not hidden becomes
            part of the bundle.
        model_file: name of the model file (or `.mlpackage` folder) inside `folder`.
        classes: name, title, category and family per class, `real` first (`Taxonomy.describe`).
        temperature: `attribution` and `detection`, both > 0.
        thresholds: operating points, `{"threshold", "n_real", "reliable", "interval"}` or a plain
            number each.
        text_bank: `(C, D)` float32, rows of unit length.
        golden_images: `(N, S, S, 3)` uint8.
        golden_outputs: what this very model file gives for them, by name (`OUTPUTS`).
        golden_tolerance: largest absolute difference per output name.
        io_names: the model file's own names for `image` and `OUTPUTS`, where they differ from
            these.

    Raises:
        BundleError: the parts do not fit each other (all faults named).
    """
    folder = Path(folder)
    meta: dict[str, Any] = {
        "schema": SCHEMA,
        "target": target,
        "precision": precision,
        "model_file": model_file,
        "classes": [dict(entry) for entry in classes],
        "image_size": image_size,
        "embedding_dim": int(text_bank.shape[-1]),
        "contract": contract.to_dict() if isinstance(contract, PixelContract) else dict(contract),
        "input": {
            "layout": "NHWC",
            "dtype": "uint8",
            "colour": "RGB",
            "shape": [None, image_size, image_size, 3],
        },
        "io": {name: name for name in ("image", *OUTPUTS)} | dict(io_names or {}),
        "temperature": dict(temperature),
        "thresholds": dict(thresholds),
        "metrics": dict(metrics),
        "parity": dict(parity),
        "provenance": dict(provenance),
        "versions": dict(versions),
        "licence": licence,
        "golden": {"n": len(golden_images), "tolerance": dict(golden_tolerance)},
        "files": {},
    }
    meta = _plain(meta)
    refuse(folder, meta_faults(meta | {"digest": ""}, files=False))
    refuse(folder, array_faults(meta, text_bank, golden_images, golden_outputs))
    _write_parts(folder, meta, text_bank, golden_images, golden_outputs)
    meta["files"] = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)}
        for name in bundle_files(folder)
    }
    write_json(folder / MANIFEST, meta | {"digest": seal(meta)})
    return Bundle.load(folder)


def _write_parts(
    folder: Path,
    meta: dict[str, Any],
    bank: np.ndarray,
    images: np.ndarray,
    outputs: Mapping[str, np.ndarray],
) -> None:
    (folder / MANIFEST).unlink(missing_ok=True)  # from here until the end there is no bundle
    for leftover in folder.rglob(".*.partial"):
        if leftover.is_file():
            leftover.unlink()
    write_text_bank(folder / TEXT_BANK, bank)
    write_golden(folder / GOLDEN, images, outputs)
    write_whole(folder / "MODEL_CARD.md", model_card(meta).encode())


def _plain(value: Any) -> Any:
    """NumPy scalars, tuples and paths as the JSON values they stand for."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value) if isinstance(value, Path) else value
