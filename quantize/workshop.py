"""What every step of quantization shares: the float student, images, the judge, a place to work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from gazeclip.console.progress import say
from gazeclip.errors import ConfigError
from gazeclip.networks.student import Student
from gazeclip.recipe.stages import QuantizeStage
from gazeclip.recipe.training import TrainConfig
from gazeclip.run.context import Context
from gazeclip.training import fit
from quantize.encoder import quantize_encoder
from quantize.fuse import prepare_encoder
from quantize.images import calibration_batches
from quantize.judge import StudentJudge
from quantize.seven_bits import bound_levels
from quantize.train import QatTask


class Workshop:
    """One student and how it is quantized.

    Args:
        folder: of the stage; trainings keep their state in it.
    """

    def __init__(self, context: Context, student: Student, folder: Path) -> None:
        self.context = context
        self.student = student.eval()
        self.folder = folder

    @property
    def stage(self) -> QuantizeStage:
        """The recipe's settings."""
        return self.context.recipe.quantize

    @cached_property
    def judge(self) -> StudentJudge:
        """Compares with the float student."""
        return StudentJudge(self.context, self.student)

    def calibrate(self, float_layers: Collection[str] = ()) -> Student:
        """The student around a quantized encoder with ranges from the calibration split."""
        encoder = quantize_encoder(
            self.student.encoder,
            calibration_batches(self.context, self.student),
            overflow_fix=self.stage.overflow_fix,
            fast_bias_correction=self.stage.fast_bias_correction,
            subset_size=self.stage.calibration_images,
            float_layers=float_layers,
        )
        return self.student.with_encoder(encoder).eval()

    def train(self, model: Student, step: str, epochs: int = 1, lr: float = 1.0) -> dict[str, Any]:
        """Train a calibrated student in place; `fit`'s figures.

        Args:
            step: names the folder of its state, so that a killed training goes on.
            epochs: times as many as the recipe's, and `lr` times its rate.
        """
        if not self.stage.teach and not self.stage.match:
            raise ConfigError(
                "quantize.teach and quantize.match are both 0, so there is nothing to learn",
                remedy="Give one of them a weight",
            )
        config: TrainConfig = self.stage.train
        config = replace(config, epochs=config.epochs * epochs, lr=config.lr * lr)
        task = QatTask(self.context, model, self.student, self.judge, config)
        result = fit(task, config, self.folder / "resume" / step, self.context.recipe.seed)
        if self.stage.overflow_fix:
            self._keep_seven_bits(model)
        return result

    def _keep_seven_bits(self, model: Student) -> None:
        size = self.context.contract.size
        prepared = prepare_encoder(self.student.encoder, size)
        moved = bound_levels(model.encoder, prepared, torch.zeros(1, 3, size, size))
        if moved:
            say(f"quantize: {moved} weights had left the 7 bits of the overflow fix")
