"""What one export needs to know; the same for every target."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.registry import find_target
from gazeclip.bundle.contents import BankInput
from gazeclip.bundle.layout import BANK_INPUT, Precision
from gazeclip.errors import ConfigError
from gazeclip.recipe.stages import CoreMlOptions
from gazeclip.system.place import command_line

if TYPE_CHECKING:
    from torch import nn

    from export.lower import Face, StrippedEncoder
    from export.packed_matrix import PackedMatrix
    from gazeclip.networks.student import Student


@dataclass(frozen=True)
class ExportJob:
    """One student, one precision, one folder.

    Attributes:
        student: float student in eval mode.
        quantized_encoder: the student's encoder from `quantize.encoder`; required for int8, unused
            otherwise.
        precision: number format of the weights and, for int8, of the encoder's activations.
        out_dir: existing folder to write the model file into.
        classes: labels in the order of `logits`.
        image_size: S in pixels; the graph takes `(B, S, S, 3)`.
        metadata: text pairs to store in the file where its format can hold them.
        stripped: what the jobs of one quantized encoder share, so that it is made once; None: each
            makes its own.
        packed_head: matrices of the student's head that are stored in a small form: see
            `export.head_weights`.
        external_bank: the graph takes the rows of its classes as an input, `BANK_INPUT`.
        coreml: which system and units a Core ML package is for.
    """

    student: Student
    quantized_encoder: nn.Module | None
    precision: Precision
    out_dir: Path
    classes: tuple[str, ...]
    image_size: int
    metadata: dict[str, str] = field(default_factory=dict)
    stripped: StrippedEncoder | None = None
    packed_head: tuple[PackedMatrix, ...] = ()
    external_bank: bool = False
    coreml: CoreMlOptions = field(default_factory=CoreMlOptions)

    def require_precision(self, target: str) -> None:
        """Refuse what the target's entry does not list, and int8 without a quantized encoder.

        Raises:
            ConfigError: naming what is possible.
        """
        possible = find_target(target).precisions
        if self.precision not in possible:
            raise ConfigError(
                f"target '{target}' cannot write precision '{self.precision}'",
                remedy=f"Choose one of: {', '.join(possible)}",
            )
        if self.precision == "int8":
            self.require_quantized()

    def require_quantized(self) -> nn.Module:
        """The quantized encoder.

        Raises:
            ConfigError: there is none.
        """
        if self.quantized_encoder is None:
            raise ConfigError(
                "int8 needs the quantized encoder",
                remedy=f"Run: {command_line('quantize')}, or choose --precision fp32",
            )
        return self.quantized_encoder

    def freeze_encoder(self, face: Face) -> nn.Module:
        """The quantized encoder with frozen quantizers: see `export.lower`.

        Raises:
            ConfigError: there is no quantized encoder.
            StageError: a quantizer is not 8-bit with a zero-point inside its levels.
        """
        from export.lower import StrippedEncoder

        encoder = self.require_quantized()
        stripped = self.stripped or StrippedEncoder(encoder, self.image_size)
        return stripped.freeze(face)

    def all_metadata(self) -> dict[str, str]:
        """`metadata` plus what every file carries: classes, image size, precision (all as text).

        Where the classes come with a text bank, those of the logits are not known here: the file
        then names the ones that it was trained with, by which `fake_logit` goes.
        """
        import json

        names = json.dumps(list(self.classes))
        classes = {"classes": names}
        if self.external_bank:
            classes = {"text_bank": "external", "trained_classes": names}
        own = {"image_size": str(self.image_size), "precision": self.precision}
        return {**self.metadata, **classes, **own}


Result = dict[str, Any]


def describe_bank_input(job: ExportJob, rows: int | None) -> Result:
    """What an export's result says of its input for the text bank; nothing where it has none.

    Args:
        rows: how many the format makes it take; None: any number.
    """
    return {"bank_input": BankInput(BANK_INPUT, rows)} if job.external_bank else {}
