"""What all exports of one run share: student, images, golden faces, gate.

exporter = Exporter(run)
exporter.model_of("int8")  # the PyTorch model that such a file must reproduce
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from export.coreml_options import merge_options
from export.filters import round_filters
from export.gate import BATCH_SIZE, Gatekeeper, GateOptions
from export.lower import StrippedEncoder
from export.runner import wrap_torch
from gazeclip.bundle.layout import Precision
from gazeclip.faces.dataset import render_golden
from gazeclip.networks.student import Student
from gazeclip.recipe.stages import CoreMlOptions, GateConfig, Recipe
from gazeclip.run.context import Context
from gazeclip.run.folder import Run
from gazeclip.scoring.evidence import CANDIDATES
from gazeclip.stages.calibrate import CALIBRATION
from gazeclip.stages.load import load_run_student
from quantize.stage import load_quantized_student
from runtimes.batches import infer_in_batches

GOLDEN_IMAGES = 8


def takes_text_banks(asked: str | None, recipe: Recipe) -> bool:
    """Whether models take the rows of their classes as an input; `asked` None: by the recipe."""
    return (asked or recipe.export.text_bank) == "external"


@dataclass(frozen=True)
class Exporter:
    """Everything that the exports of one run share, each read or computed once."""

    run: Run
    gate_options: GateOptions = field(default_factory=GateOptions, kw_only=True)
    text_bank: str | None = field(default=None, kw_only=True)  # None: as the recipe says
    coreml_asked: CoreMlOptions = field(default_factory=CoreMlOptions, kw_only=True)  # likewise

    @cached_property
    def context(self) -> Context:
        """Recipe and data of the run."""
        return Context(self.run)

    @cached_property
    def student(self) -> Student:
        """The float student."""
        return load_run_student(self.context)

    @cached_property
    def quantized(self) -> Student:
        """The student with fake quantizers."""
        return load_quantized_student(self.context)

    @cached_property
    def stripped(self) -> StrippedEncoder:
        """The quantized encoder as the targets freeze it."""
        return StrippedEncoder(self.quantized.encoder, self.context.contract.size)

    @cached_property
    def golden(self) -> np.ndarray:
        """Procedural faces `(8, S, S, 3)` uint8, the launch self-test of every bundle."""
        return render_golden(
            GOLDEN_IMAGES, self.context.contract.size, seed=self.context.recipe.seed
        )

    @cached_property
    def calibration(self) -> np.ndarray:
        """The calibration split `(N, S, S, 3)` uint8."""
        return self.context.read_pixels(CALIBRATION)

    @cached_property
    def probes(self) -> np.ndarray:
        """Images for parity: some of val, spread over all labels, and the golden ones."""
        return np.concatenate(
            [self.context.read_pixels("val", self.context.recipe.export.parity_images), self.golden]
        )

    @cached_property
    def rounded(self) -> Student:
        """The student with the filters of w8 files."""
        return round_filters(self.student)

    @cached_property
    def gatekeeper(self) -> Gatekeeper:
        """Judges files by their fp32 twins."""
        return Gatekeeper(self.context, self.gate)

    @cached_property
    def gate(self) -> GateConfig:
        """The recipe's gate with the options of this command, which the recipe does not keep."""
        return self.gate_options.apply(self.context.recipe.gate)

    @property
    def coreml(self) -> CoreMlOptions:
        """Which systems and units Core ML packages are for."""
        return merge_options(self.coreml_asked, self.context.recipe.export.coreml)

    @property
    def external_bank(self) -> bool:
        """Whether the models take the rows of their classes as an input."""
        return takes_text_banks(self.text_bank, self.context.recipe)

    @property
    def candidates(self) -> Sequence[tuple[str, ...]]:
        """What evidence may weigh: where classes may change, the fake logit, which has its own."""
        return CANDIDATES[:1] if self.external_bank else CANDIDATES

    def model_of(self, precision: Precision) -> Student:
        """The PyTorch model that an export of this precision must reproduce."""
        if precision == "int8":
            return self.quantized
        return self.rounded if precision == "w8" else self.student

    def compute_reference(self, precision: Precision) -> dict[str, np.ndarray]:
        """Outputs of that model on `probes`."""
        return infer_in_batches(wrap_torch(self.model_of(precision)), self.probes, BATCH_SIZE)
