"""An exported model as one self-describing folder; `Bundle.load` refuses what is not whole.

NumPy only, because a phone gateway reads bundles too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gazeclip.bundle.bank_input import read_bank_input
from gazeclip.bundle.check import array_faults, refuse, refuse_changed
from gazeclip.bundle.contents import BankInput, BundleClass, OperatingPoint
from gazeclip.bundle.contract import read_contract
from gazeclip.bundle.gaze import tells_gaze
from gazeclip.bundle.layout import GOLDEN, MANIFEST, SHIPPED_POINT, TEXT_BANK, Precision
from gazeclip.bundle.parts import read_golden, read_text_bank
from gazeclip.errors import BundleError, ConfigError, nearest
from gazeclip.files.atomic import parse_json
from gazeclip.images.crop_rule import CropRule
from gazeclip.images.preprocess import PixelContract
from gazeclip.scoring.evidence import Evidence
from gazeclip.system.place import command_line


@dataclass(frozen=True)
class Bundle:
    """A checked bundle. `meta` is the whole of bundle.json; the properties name what code needs."""

    folder: Path
    meta: Mapping[str, Any]

    @classmethod
    def load(cls, folder: str | Path, verify: bool = True) -> Bundle:
        """Read and check the bundle in `folder`; `verify=False` skips only the hashing of files.

        Raises:
            BundleError: missing, truncated or extra files, a changed byte, another schema, or parts
                that do not fit.
        """
        folder = Path(folder)
        bundle = cls(folder, _read_meta(folder))
        refuse_changed(folder, bundle.meta, verify)
        images, outputs = bundle.golden
        refuse(folder, array_faults(bundle.meta, bundle.text_bank, images, outputs))
        return bundle

    @property
    def target(self) -> str:
        """Name of the export target that made it, such as `onnx`."""
        return str(self.meta["target"])

    @property
    def precision(self) -> Precision:
        """One of `layout.PRECISIONS`."""
        precision: Precision = self.meta["precision"]  # checked when it was read
        return precision

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
        """SHA-256 over bundle.json and through it every file: a name for exactly this bundle."""
        return str(self.meta["digest"])

    @property
    def temperature(self) -> dict[str, float]:
        """Divisor of the `attribution` logits."""
        return {key: float(value) for key, value in self.meta["temperature"].items()}

    @cached_property
    def evidence(self) -> Evidence:
        """From this file's scores to its log-likelihood ratio."""
        return Evidence.from_entry(self.meta["evidence"])

    @cached_property
    def operating_points(self) -> dict[str, OperatingPoint]:
        """All operating points by name."""
        points: Mapping[str, Any] = self.meta["thresholds"]
        return {name: OperatingPoint.from_entry(name, entry) for name, entry in points.items()}

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
        """How an image becomes the model's input."""
        return read_contract(self.meta["contract"])

    @cached_property
    def crop(self) -> CropRule | None:
        """How its training images were cut; None where the bundle does not say."""
        return CropRule.from_entry(self.meta["contract"])

    @property
    def tells_gaze(self) -> bool:
        """Whether its angles mean something; False where its teacher knew no gaze."""
        return tells_gaze(self.meta)

    @cached_property
    def text_bank(self) -> np.ndarray:
        """`(C, D)` float32, the precomputed text embeddings behind the attribution logits."""
        return read_text_bank(self.folder / TEXT_BANK)

    @property
    def bank_input(self) -> BankInput | None:
        """The model's input for the text bank; None: its classes are part of it."""
        return read_bank_input(self.meta)

    def with_bank(self, classes: tuple[BundleClass, ...], rows: np.ndarray) -> Bundle:
        """The same bundle with other classes, `rows (C, D)`; the files stay as they are."""
        entries = [asdict(entry) for entry in classes]
        other = Bundle(self.folder, {**self.meta, "classes": entries})
        other.__dict__["text_bank"] = rows  # where the cached property looks first
        return other

    @property
    def golden(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """`(images uint8 (N, S, S, 3), expected outputs by name)` for the self-test."""
        return read_golden(self.folder / GOLDEN)

    def graph_name(self, name: str) -> str:
        """The name that the model file itself uses for `image` or for one of `OUTPUTS`."""
        return str(self.meta["io"][name])

    def operating_point(
        self, threshold: str | float = SHIPPED_POINT, prior: float = 0.5
    ) -> OperatingPoint:
        """A named operating point of this bundle, or one threshold on the fake probability.

        Args:
            threshold: a name, or a fake probability in (0, 1) at `prior`, with two answers only.
            prior: how probable a forgery is before the image is seen, in (0, 1).

        Raises:
            ConfigError: unknown name, or a number outside (0, 1).
        """
        points = self.operating_points
        shift = prior_log_odds(prior)
        if isinstance(threshold, str) and threshold in points:
            return points[threshold]
        try:
            value = float(threshold)
        except (TypeError, ValueError):
            hint = nearest(str(threshold), points)
            raise ConfigError(
                f"unknown operating point '{threshold}'",
                remedy=f"{hint.rstrip('.')}. A fake probability such as 0.5 works too",
            ) from None
        if not 0.0 < value < 1.0:
            raise ConfigError(
                f"threshold {threshold} is not a probability",
                remedy="Use a number between 0 and 1",
            )
        llr = math.log(value) - math.log1p(-value) - shift
        return OperatingPoint("custom", llr, llr)


def prior_log_odds(prior: float) -> float:
    """Log odds of a prior probability.

    Raises:
        ConfigError: it does not lie in (0, 1).
    """
    if not 0.0 < prior < 1.0:
        raise ConfigError(
            f"prior {prior} is not a probability of a forgery",
            remedy="Use a number between 0 and 1, such as 0.01",
        )
    return math.log(prior) - math.log1p(-prior)


def _read_meta(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        what = f"{folder} has no {MANIFEST}" if folder.is_dir() else f"{folder} is not a folder"
        raise BundleError(
            f"{what}, so it is not a bundle",
            remedy=f"Run: {command_line('export', '--target', 'all')}",
        )
    try:
        meta = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(
            f"{path} is damaged ({error})", remedy="Export the bundle again"
        ) from error
    if not isinstance(meta, dict):
        raise BundleError(f"{path} is damaged (not an object)", remedy="Export the bundle again")
    return meta
