"""What goes into a bundle, as typed records: an export builds them, `write_bundle` takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from gazeclip.images.crop_rule import CropRule
from gazeclip.images.preprocess import PixelContract
from gazeclip.scoring.evidence import Evidence
from gazeclip.scoring.thresholds import decide


@dataclass(frozen=True)
class BundleClass:
    """One attribution class; index 0 of a bundle is always `real`."""

    name: str
    title: str
    category: str
    family: str


@dataclass(frozen=True)
class OperatingPoint:
    """Two thresholds on the log-likelihood ratio (LLR), and what is known of their rates.

    An image is `fake` from `fake_from` on, `real` below `real_below`, which is not above it, and
    `inconclusive` between them. `n_real` and `n_fake` calibration images, each of another person,
    set the thresholds; with 95% confidence false alarms are not above `fpr_bound` and misses not
    above `miss_bound`. All but the thresholds is None for thresholds that were chosen and not
    measured.
    """

    name: str
    fake_from: float
    real_below: float
    target_fpr: float | None = None
    target_miss: float | None = None
    fpr_bound: float | None = None
    miss_bound: float | None = None
    n_real: int | None = None
    n_fake: int | None = None

    @property
    def reliable(self) -> bool:
        """Whether the calibration images were enough to show that both rates are kept."""
        keeps_fpr = _is_kept(self.fpr_bound, self.target_fpr)
        return keeps_fpr and _is_kept(self.miss_bound, self.target_miss)

    def decide(self, llr: float) -> str:
        """One of `gazeclip.scoring.thresholds.ANSWERS`."""
        return decide(llr, self.fake_from, self.real_below)

    @classmethod
    def from_entry(cls, name: str, entry: Mapping[str, Any]) -> OperatingPoint:
        """The point that `thresholds` of bundle.json holds under `name`."""
        return cls(name, **entry)

    def to_entry(self) -> dict[str, Any]:
        """The point as bundle.json holds it, under its name."""
        entry = asdict(self)
        del entry["name"]
        return entry


def _is_kept(bound: float | None, target: float | None) -> bool:
    """Whether a rate is; one that nothing was asked of is."""
    return bound is None or target is None or bound <= target


@dataclass(frozen=True)
class BankInput:
    """A model's input for the rows of its classes, float32 `(rows, D)`.

    Attributes:
        name: of the input in the model file.
        rows: how many it takes, zeros where there are fewer classes; None: any number.
    """

    name: str
    rows: int | None


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
        temperature: divisor of the `attribution` logits, > 0.
        evidence: from this file's scores to its log-likelihood ratio.
        thresholds: operating points by name.
        metrics: figures of the calibration split, and notes of the conversion.
        parity: figures against PyTorch, the engine they were measured in, and their bounds.
        provenance: SHA-256 of what the model was made from, by name.
        parameters: what whoever exported it has chosen, beside target and precision.
        versions: packages that shaped the file, by name.
        text_bank: `(C, D)` float32, rows of unit length.
        io_names: the model file's own names for `image` and `OUTPUTS`, where they differ.
        crop: how the training images were cut; None where nobody said.
        bank_input: the model takes its classes from outside; None: they are part of it.
        gaze: whether the model's output `gaze` was trained.
        gate: what the forensic gate found, see `gazeclip/bundle/gate.py`; None: it was not asked.
    """

    target: str
    precision: str
    model_file: str
    classes: Sequence[BundleClass]
    contract: PixelContract
    temperature: Mapping[str, float]
    evidence: Evidence
    thresholds: Mapping[str, OperatingPoint]
    metrics: Mapping[str, Any]
    parity: Mapping[str, Any]
    provenance: Mapping[str, str]
    versions: Mapping[str, str]
    text_bank: np.ndarray
    golden: Golden
    io_names: Mapping[str, str] = field(default_factory=dict)
    licence: str = "Apache-2.0"
    crop: CropRule | None = None
    gate: Mapping[str, Any] | None = None
    bank_input: BankInput | None = None
    gaze: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
