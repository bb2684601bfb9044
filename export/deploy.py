"""The graph that goes onto a device: uint8 pixels in, four named outputs out.

Nothing is left for the app to normalise.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn

from export.job import ExportJob
from export.quiet import quiet
from gazeclip.bundle.layout import BANK_ROWS
from gazeclip.errors import ConfigError, StageError
from gazeclip.networks.student import Student
from quantize.fuse import prepare_encoder

Layout = Literal["NHWC", "NCHW"]


class DeployModel(nn.Module):
    """Normalisation, encoder and head of a student as one module of plain tensors.

    `forward(image)` takes RGB values 0..255 of any dtype, `(B, S, S, 3)` for layout NHWC or `(B, 3,
    S, S)` for NCHW, and returns `(embedding (B, D), logits (B, C), fake_logit (B, 1), gaze (B,
    2))`.

    Args:
        student: the float student; it is not changed.
        encoder: a replacement for its encoder (quantized or frozen), or None for the float one,
            folded for inference.
        image_size: S in pixels.
        layout: of the input.
    """

    def __init__(
        self, student: Student, encoder: nn.Module | None, image_size: int, layout: Layout = "NHWC"
    ) -> None:
        super().__init__()
        if encoder is None:
            encoder = prepare_encoder(student.encoder, image_size).requires_grad_(False)
        scale, offset = _affine_of(student, image_size)
        self.scale: Tensor
        self.offset: Tensor
        self.register_buffer("scale", scale)
        self.register_buffer("offset", offset)
        self.encoder = encoder
        self.head = copy.deepcopy(student.head)
        self.nhwc = layout == "NHWC"
        self.eval()

    def forward(
        self, image: Tensor, text_bank: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See the class; `text_bank (K, D)` takes the place of the student's own classes."""
        if self.nhwc:
            image = image.permute(0, 3, 1, 2)
        normalised = image.to(torch.float32) * self.scale + self.offset
        out = self.head(self.encoder(normalised), text_bank)
        return out.embedding, out.logits, out.fake_logit, out.gaze


def _affine_of(student: Student, image_size: int) -> tuple[Tensor, Tensor]:
    """`(scale, offset)`, each `(1, 3, 1, 1)`, with `normalise(pixels) == pixels * scale + offset`.

    One multiplication and one addition is what every engine fuses best. They are read from
    `Student.normalise` itself, so that it stays the only place that knows mean and std.

    Raises:
        StageError: the student's normalisation is more than that.
    """
    shape = (1, 3, image_size, image_size)
    generator = torch.Generator().manual_seed(0)
    probe = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    with torch.no_grad():
        # Black gives the offset, white minus black the scale; a value per channel is enough if all
        # pixels are treated alike, which the random image then shows.
        offset = student.normalise(torch.zeros(shape, dtype=torch.uint8))[:, :, :1, :1].clone()
        white = student.normalise(torch.full(shape, 255, dtype=torch.uint8))[:, :, :1, :1]
        scale = (white - offset) / 255
        difference = (probe.float() * scale + offset - student.normalise(probe)).abs().max()
    if float(difference) > 1e-5:
        raise StageError(
            "the student's normalisation is not one scale and offset per channel "
            f"(off by {float(difference):.2g})",
            remedy="Change Student.normalise or teach export/deploy.py the new form",
        )
    return scale, offset


def example_image(image_size: int, batch: int, layout: Layout = "NHWC") -> Tensor:
    """Random uint8 pixels for tracing, the same in every call."""
    shape = (batch, image_size, image_size, 3)
    if layout == "NCHW":
        shape = (batch, 3, image_size, image_size)
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def trace_nchw_model(job: ExportJob, encoder: nn.Module | None) -> Any:
    """The job's student over pixels `(1, 3, S, S)` float32, as a TorchScript trace.

    Args:
        encoder: see `DeployModel`.
    """
    model = DeployModel(job.student, encoder, job.image_size, layout="NCHW")
    image = example_image(job.image_size, 1, "NCHW").float()
    inputs = (image, *example_banks(job, BANK_ROWS))
    with quiet(native=True), torch.no_grad():
        return torch.jit.trace(model, inputs, check_trace=False)


def example_banks(job: ExportJob, rows: int | None = None) -> tuple[Tensor, ...]:
    """The student's own bank `(rows, D)`, zeros below it, where the graph takes one; else none.

    Args:
        rows: None: as many as there are classes.

    Raises:
        ConfigError: there are more classes than rows.
    """
    if not job.external_bank:
        return ()
    own = job.student.head.text_bank.detach()
    missing = 0 if rows is None else rows - len(own)
    if missing < 0:
        what = (
            f"this target takes a text bank of {rows} rows, and the student has {len(own)} classes"
        )
        raise ConfigError(what, remedy="Use --text-bank baked, or the target onnx or openvino")
    return (torch.nn.functional.pad(own, (0, 0, 0, missing)),)
