"""An exported model as one self-describing folder: `write_bundle` makes it, `Bundle.load` refuses what is not whole.

NumPy only, because a phone gateway reads bundles too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gazeclip.bundle_card import model_card
from gazeclip.bundle_check import (
    GOLDEN,
    MANIFEST,
    OUTPUTS,
    SCHEMA,
    TEXT_BANK,
    array_faults,
    bundle_files,
    meta_faults,
    refuse,
    refuse_changed,
    seal,
)
from gazeclip.bundle_parts import read_golden, read_text_bank, write_golden, write_text_bank, write_whole
from gazeclip.checkpoint import parse_json, sha256, write_json
from gazeclip.errors import BundleError, ConfigError, nearest
from gazeclip.preprocess import PixelContract

__all__ = [
    "GOLDEN",
    "MANIFEST",
    "OUTPUTS",
    "SCHEMA",
    "TEXT_BANK",
    "Bundle",
    "BundleClass",
    "OperatingPoint",
    "write_bundle",
]


@dataclass(frozen=True)
class BundleClass:
    """One attribution class; index 0 of a bundle is always `real`."""

    name: str
    title: str
    category: str
    family: str


@dataclass(frozen=True)
class OperatingPoint:
    """A decision threshold on the fake probability; an image is called fake when its probability reaches it.

    `n_real` real calibration images set it, and `interval` is its bootstrap interval; both None for a threshold that
    was chosen and not measured. `reliable` is False where those images were too few for that false-positive rate.
    """

    name: str
    threshold: float
    n_real: int | None = None
    reliable: bool = True
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Bundle:
    """A checked bundle. `meta` is the whole of bundle.json; the properties name what code needs."""

    folder: Path
    meta: Mapping[str, Any]

    @classmethod
    def load(cls, folder: str | Path, verify: bool = True) -> Bundle:
        """Read and check the bundle in `folder`; `verify=False` skips only the hashing of the files.

        Raises:
            BundleError: missing, truncated or extra files, a changed byte, another schema, or parts that do not fit.
        """
        folder = Path(folder)
        bundle = cls(folder, _read_meta(folder))
        refuse_changed(folder, bundle.meta, verify)
        images, outputs = bundle.golden
        refuse(folder, array_faults(bundle.meta, bundle.text_bank, images, outputs))
        return bundle

    @property
    def target(self) -> str:
        """`openvino`, `onnx`, `tflite` or `coreml`."""
        return str(self.meta["target"])

    @property
    def precision(self) -> str:
        """`fp32`, `fp16` or `int8`."""
        return str(self.meta["precision"])

    @property
    def model_path(self) -> Path:
        """The model file, or the folder of an `.mlpackage`."""
        return self.folder / str(self.meta["model_file"])

    @property
    def image_size(self) -> int:
        """Side S of the input in pixels."""
        return int(self.meta["image_size"])

    @property
    def embedding_dim(self) -> int:
        """D, the length of an embedding."""
        return int(self.meta["embedding_dim"])

    @property
    def digest(self) -> str:
        """SHA-256 that covers bundle.json and through it every file: one name for exactly this bundle."""
        return str(self.meta["digest"])

    @property
    def temperature(self) -> dict[str, float]:
        """Divisors of the `attribution` and `detection` logits."""
        return {key: float(value) for key, value in self.meta["temperature"].items()}

    @property
    def golden_tolerance(self) -> dict[str, float]:
        """Largest absolute difference allowed per output in the self-test."""
        return {key: float(value) for key, value in self.meta["golden"]["tolerance"].items()}

    @cached_property
    def classes(self) -> tuple[BundleClass, ...]:
        """Attribution classes in the order of the logits."""
        return tuple(BundleClass(**entry) for entry in self.meta["classes"])

    @cached_property
    def contract(self) -> PixelContract:
        """How a photograph becomes the model's input."""
        return PixelContract(**self.meta["contract"])

    @cached_property
    def text_bank(self) -> np.ndarray:
        """`(C, D)` float32, the precomputed text embeddings behind the attribution logits."""
        return read_text_bank(self.folder / TEXT_BANK)

    @property
    def golden(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """`(images uint8 (N, S, S, 3), expected outputs by name)` for the self-test."""
        return read_golden(self.folder / GOLDEN)

    def graph_name(self, name: str) -> str:
        """The name that the model file itself uses for the input `image` or for one of `OUTPUTS`."""
        return str(self.meta["io"][name])

    def operating_point(self, threshold: str | float = "fpr1") -> OperatingPoint:
        """A named operating point of this bundle, or an own threshold on the fake probability in [0, 1].

        Raises:
            ConfigError: unknown name, or a number outside [0, 1].
        """
        points: Mapping[str, Any] = self.meta["thresholds"]
        if isinstance(threshold, str) and threshold in points:
            entry = points[threshold]
            if isinstance(entry, int | float):
                return OperatingPoint(threshold, float(entry))
            interval = entry.get("interval")
            bounds = (float(interval[0]), float(interval[1])) if interval else None
            n_real = entry.get("n_real")
            return OperatingPoint(
                threshold, float(entry["threshold"]), n_real, bool(entry.get("reliable", True)), bounds
            )
        try:
            value = float(threshold)
        except (TypeError, ValueError):
            hint = nearest(str(threshold), points)
            raise ConfigError(
                f"unknown operating point '{threshold}'", remedy=f"{hint} A number in [0, 1] works too"
            ) from None
        if not 0.0 <= value <= 1.0:
            raise ConfigError(f"threshold {threshold} is not a probability", remedy="Use a number from 0 to 1")
        return OperatingPoint("custom", value)


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
    """Turn a folder that already holds the model into a bundle, and return it as `Bundle.load` reads it.

    bundle.json is written last and atomically, so a killed export leaves no bundle. Equal arguments give equal bytes.

    Args:
        folder: holds the model file and nothing stale; every file in it that is not hidden becomes part of the bundle.
        model_file: name of the model file (or `.mlpackage` folder) inside `folder`.
        classes: name, title, category and family per class, `real` first (`Taxonomy.describe`).
        temperature: `attribution` and `detection`, both > 0.
        thresholds: operating points, `{"threshold", "n_real", "reliable", "interval"}` or a plain number each.
        text_bank: `(C, D)` float32, rows of unit length.
        golden_images: `(N, S, S, 3)` uint8.
        golden_outputs: what this very model file gives for them, by name (`OUTPUTS`).
        golden_tolerance: largest absolute difference per output name.
        io_names: the model file's own names for `image` and `OUTPUTS`, where they differ from these.

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
        "input": {"layout": "NHWC", "dtype": "uint8", "colour": "RGB", "shape": [None, image_size, image_size, 3]},
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
    folder: Path, meta: dict[str, Any], bank: np.ndarray, images: np.ndarray, outputs: Mapping[str, np.ndarray]
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


def _read_meta(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        what = f"{folder} has no {MANIFEST}" if folder.is_dir() else f"{folder} is not a folder"
        raise BundleError(f"{what}, so it is not a bundle", remedy="Run: python -m export --target all")
    try:
        meta = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} is damaged ({error})", remedy="Export the bundle again") from error
    if not isinstance(meta, dict):
        raise BundleError(f"{path} is damaged (not an object)", remedy="Export the bundle again")
    return meta
