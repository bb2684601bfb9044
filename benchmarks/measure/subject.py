"""What the benchmark measures: one model on one engine at one precision, behind one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from export.registry import TARGETS, reference_name
from gazeclip.bundle.layout import PRECISIONS, Precision
from gazeclip.bundle.rule import Rule
from gazeclip.errors import ConfigError, StageError
from runtimes.batches import Infer, infer_in_batches
from runtimes.engines.registry import ENGINES

Role = Literal["teacher", "student", "baseline"]
ROLES: tuple[str, ...] = get_args(Role)
TORCH = "torch"  # framework and engine of what is measured before it is exported
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


@dataclass(frozen=True)
class Identity:
    """What tells a subject from every other one of a run.

    `framework` is the export target that wrote its file, or `TORCH`; `engine` is what runs it.
    """

    role: Role
    framework: str
    precision: Precision
    engine: str

    def at_precision(self, precision: Precision) -> Identity:
        """The same thing with other numbers: its twin, if the run has one."""
        return replace(self, precision=precision)


@dataclass
class Subject:
    """One thing to measure; `name` is for people, `identity` for programs.

    `infer` takes uint8 RGB `(B, S, S, 3)` and gives `logits (B, C)` and `fake_logit (B, 1)`, and
    where the model has them `embedding (B, D)` and `gaze (B, 2)` in radians. `temperature` divides
    the attribution logits, and `rule` gives the answers; None where it was not calibrated yet.
    `parity` holds figures against the PyTorch model that this one was exported from; None if it is
    that one. `gate` is what its bundle says of the gate.

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
    temperature: float = 1.0
    rule: Rule | None = None
    parity: dict[str, float] | None = None
    notes: str = ""
    framework: str = TORCH
    gate: Mapping[str, Any] | None = None

    @property
    def identity(self) -> Identity:
        """What tells it from the other subjects of a run."""
        return Identity(self.role, self.framework, self.precision, self.engine)

    def __post_init__(self) -> None:
        checks = (
            ("role", self.role, ROLES),
            ("framework", self.framework, (TORCH, *TARGETS)),
            ("engine", self.engine, tuple(engine_titles())),
            ("precision", self.precision, PRECISIONS),
        )
        faults = []
        for key, value, known in checks:
            if value not in known:
                faults.append(f"{key} '{value}' is not one of {', '.join(known)}")
        if not self.temperature > 0:
            faults.append(f"temperature = {self.temperature} is not positive")
        if faults:
            raise ConfigError(
                f"subject '{self.name}': {'; '.join(faults)}", remedy="Correct the subject's fields"
            )

    def require_rule(self) -> Rule:
        """How it answers.

        Raises:
            StageError: it was not calibrated.
        """
        if self.rule is None:
            raise StageError(
                f"'{self.name}' was not calibrated",
                remedy="Judge it with its bundle's rule",
            )
        return self.rule

    def predict(
        self,
        images: np.ndarray,
        batch_size: int = 32,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, np.ndarray]:
        """All outputs over `images` uint8 `(N, S, S, 3)`, in order.

        Args:
            progress: called with (images done, images in all) after each batch.

        Raises:
            StageError: the images do not fit, the engine failed, or an output is missing, misshapen
                or not finite.
        """
        side = self.image_size
        if images.dtype != np.uint8 or images.shape[1:] != (side, side, 3) or len(images) == 0:
            raise StageError(
                f"'{self.name}' wants uint8 images (N, {side}, {side}, 3), "
                f"got {images.dtype} {images.shape}",
                remedy="Prepare them with gazeclip.images.preprocess.PixelContract "
                "of this subject's size",
            )

        def infer_checked(batch: np.ndarray) -> dict[str, np.ndarray]:
            return self._check_outputs(self.infer(batch), len(batch))

        return infer_in_batches(infer_checked, images, batch_size, progress)

    def _check_outputs(
        self, outputs: Mapping[str, np.ndarray], count: int
    ) -> dict[str, np.ndarray]:
        faults = [f"{key} is missing" for key in REQUIRED_OUTPUTS if key not in outputs]
        # Each output is `(count, width)`; the width of logits and embedding is the model's affair.
        checked = {key: np.asarray(value) for key, value in outputs.items()}
        for key, value in checked.items():
            fits = value.ndim == 2 and len(value) == count
            if not fits or value.shape[1] != WIDTHS.get(key, value.shape[1]):
                faults.append(f"{key} has shape {value.shape} for {count} images")
            elif not np.isfinite(value).all():
                faults.append(f"{key} holds NaN or infinity")
        if faults:
            raise StageError(
                f"'{self.name}' on {self.engine}: {'; '.join(faults)}",
                remedy="Export the model again",
            )
        return checked
