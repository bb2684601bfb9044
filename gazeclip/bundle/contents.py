"""What goes into a bundle, as typed records: an export builds them, `write_bundle` takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gazeclip.images.preprocess import PixelContract


@dataclass(frozen=True)
class BundleClass:
    """One attribution class; index 0 of a bundle is always `real`."""

    name: str
    title: str
    category: str
    family: str


@dataclass(frozen=True)
class OperatingPoint:
    """A decision threshold: an image is called fake when its fake probability reaches it.

    `n_real` real calibration images set it, and `interval` is its bootstrap interval; both None for
    a threshold that was chosen and not measured. `reliable` is False where those images were too
    few for that false-positive rate.
    """

    name: str
    threshold: float
    n_real: int | None = None
    reliable: bool = True
    interval: tuple[float, float] | None = None

    @classmethod
    def from_entry(cls, name: str, entry: Mapping[str, Any]) -> OperatingPoint:
        """The point that `thresholds` of bundle.json holds under `name`."""
        interval = entry["interval"]
        if interval is not None:
            low, high = interval
            interval = (float(low), float(high))
        return cls(name, float(entry["threshold"]), entry["n_real"], entry["reliable"], interval)

    def to_entry(self) -> dict[str, Any]:
        """The point as bundle.json holds it, under its name."""
        return {
            "threshold": self.threshold,
            "n_real": self.n_real,
            "reliable": self.reliable,
            "interval": self.interval,
        }


@dataclass(frozen=True)
class Golden:
    """The self-test of a bundle.

    Attributes:
        images: `(N, S, S, 3)` uint8.
        outputs: what this very model file gives for them, float32 by name (`OUTPUTS`).
        tolerance: largest absolute difference allowed per output name.
    """

    images: np.ndarray
    outputs: Mapping[str, np.ndarray]
    tolerance: Mapping[str, float]


@dataclass(frozen=True)
class BundleContents:
    """Everything of a bundle but the model file itself.

    Attributes:
        model_file: name of the model file (or `.mlpackage` folder) inside the bundle's folder.
        classes: in the order of the logits, `real` first.
        temperature: divisors of the `attribution` and `detection` logits, both > 0.
        thresholds: operating points by name.
        metrics: figures of the calibration split, and notes of the conversion.
        parity: figures against PyTorch, the engine they were measured in, and their bounds.
        provenance: SHA-256 of what the model was made from, by name.
        versions: packages that shaped the file, by name.
        text_bank: `(C, D)` float32, rows of unit length.
        io_names: the model file's own names for `image` and `OUTPUTS`, where they differ.
    """

    target: str
    precision: str
    model_file: str
    classes: Sequence[BundleClass]
    contract: PixelContract
    temperature: Mapping[str, float]
    thresholds: Mapping[str, OperatingPoint]
    metrics: Mapping[str, Any]
    parity: Mapping[str, Any]
    provenance: Mapping[str, str]
    versions: Mapping[str, str]
    text_bank: np.ndarray
    golden: Golden
    io_names: Mapping[str, str] = field(default_factory=dict)
    licence: str = "Apache-2.0"
