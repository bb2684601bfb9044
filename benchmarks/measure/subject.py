"""What the benchmark measures: one model on one engine at one precision, called through one
function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from export.registry import TARGETS
from export.runner import reference_name
from gazeclip.bundle.layout import PRECISIONS, Precision
from gazeclip.errors import ConfigError, StageError
from runtimes.batches import Infer, infer_in_batches
from runtimes.engines.registry import ENGINES

Role = Literal["teacher", "student", "peer"]
ROLES: tuple[str, ...] = get_args(Role)
TORCH = "torch"  # what is measured before it is exported
REQUIRED_OUTPUTS = ("logits", "fake_logit")
WIDTHS = {"fake_logit": 1, "gaze": 2}


def engine_titles() -> dict[str, str]:
    """Engine name as report.json has it -> what people call it, always in the same order."""
    titles = {TORCH: "PyTorch"}
    with_reference = {target.engine for target in TARGETS.values() if target.reference is not None}
    for name, entry in ENGINES.items():
        if name in with_reference:
            titles[reference_name(name)] = f"{entry.title} (reference)"
        titles[name] = entry.title
    return titles


@dataclass
class Subject:
    """One thing to measure.

    `infer` takes uint8 RGB `(B, S, S, 3)` and gives `logits (B, C)` and `fake_logit (B, 1)`, and
    where the model has them `embedding (B, D)` and `gaze (B, 2)` in radians. `temperature` holds
    `attribution` and `detection` (1 if absent). `parity` holds figures against the PyTorch model
    that this one was exported from; None if it is that one.

    Raises:
        ConfigError: a role, engine, precision or temperature that is not one.
    """

    name: str
    role: Role
    engine: str
    precision: Precision
    size_mb: float | None
    infer: Infer
    image_size: int
    temperature: dict[str, float] = field(default_factory=dict)
    parity: dict[str, float] | None = None
    notes: str = ""

    def __post_init__(self) -> None:
        checks = (
            ("role", self.role, ROLES),
            ("engine", self.engine, tuple(engine_titles())),
            ("precision", self.precision, PRECISIONS),
        )
        faults = [
            f"{key} '{value}' is not one of {', '.join(known)}"
            for key, value, known in checks
            if value not in known
        ]
        faults += [
            f"temperature {k} = {v} is not positive"
            for k, v in self.temperature.items()
            if not v > 0
        ]
        faults += [
            f"temperature '{k}' is unknown"
            for k in self.temperature
            if k not in ("attribution", "detection")
        ]
        if faults:
            raise ConfigError(
                f"subject '{self.name}': {'; '.join(faults)}", remedy="Correct the subject's fields"
            )

    def temperature_of(self, output: Literal["attribution", "detection"]) -> float:
        """The calibration temperature that divides the logits of one head."""
        return float(self.temperature.get(output, 1.0))

    def predict(
        self,
        images: np.ndarray,
        batch_size: int = 32,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, np.ndarray]:
        """All outputs over `images` (uint8 `(N, S, S, 3)`), in order; `progress(done, total)` after
        each batch.

        Raises:
            StageError: the images do not fit, the engine failed, or an output is missing, misshapen
                or not finite.
        """
        side = self.image_size
        if images.dtype != np.uint8 or images.shape[1:] != (side, side, 3) or len(images) == 0:
            raise StageError(
                f"'{self.name}' wants uint8 images (N, {side}, {side}, 3), got {images.dtype} {images.shape}",
                remedy="Prepare them with gazeclip.images.preprocess.PixelContract of this subject's size",
            )

        def infer_checked(batch: np.ndarray) -> dict[str, np.ndarray]:
            return self._checked(self.infer(batch), len(batch))

        return infer_in_batches(infer_checked, images, batch_size, progress)

    def _checked(self, outputs: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
        faults = [f"{key} is missing" for key in REQUIRED_OUTPUTS if key not in outputs]
        checked = {key: np.asarray(value) for key, value in outputs.items()}
        for key, value in checked.items():
            if (
                value.ndim != 2
                or len(value) != count
                or value.shape[1] != WIDTHS.get(key, value.shape[1])
            ):
                faults.append(f"{key} has shape {value.shape} for {count} images")
            elif not np.isfinite(value).all():
                faults.append(f"{key} holds NaN or infinity")
        if faults:
            raise StageError(
                f"'{self.name}' on {self.engine}: {'; '.join(faults)}",
                remedy="Export the model again",
            )
        return checked
