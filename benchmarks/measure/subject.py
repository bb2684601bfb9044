"""What the benchmark measures: one model on one engine at one precision, called through one
function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from gazeclip.errors import ConfigError, StageError

Role = Literal["teacher", "student", "peer"]
Engine = Literal["torch", "openvino", "onnxruntime", "tflite", "coreml-reference", "coreml"]
Precision = Literal["fp32", "fp16", "int8"]
ROLES: tuple[str, ...] = get_args(Role)
ENGINES: tuple[str, ...] = get_args(Engine)
PRECISIONS: tuple[str, ...] = get_args(Precision)
REQUIRED_OUTPUTS = ("logits", "fake_logit")
WIDTHS = {"fake_logit": 1, "gaze": 2}


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
    engine: Engine
    precision: Precision
    size_mb: float | None
    infer: Callable[[np.ndarray], dict[str, np.ndarray]]
    image_size: int
    temperature: dict[str, float] = field(default_factory=dict)
    parity: dict[str, float] | None = None
    notes: str = ""

    def __post_init__(self) -> None:
        checks = (
            ("role", self.role, ROLES),
            ("engine", self.engine, ENGINES),
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
        parts: list[dict[str, np.ndarray]] = []
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            parts.append(self._checked(self.infer(batch), len(batch)))
            if progress is not None:
                progress(start + len(batch), len(images))
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

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
