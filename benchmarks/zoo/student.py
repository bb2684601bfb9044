"""A student as the zoo measures it: untrained, and sound enough that every figure means something.

Operations and times do not depend on what the weights were trained for, nor do sizes, but where a
network begins with equal weights, which files store once. Parity does: random weights get batch
statistics from drawn faces, in a few passes that leave part of those that they start with. With
statistics that fit exactly, random layers pass every difference on undamped, and no rounding to
integers stays within the bounds: then parity would speak of the weights only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from export.filters import round_filters
from gazeclip.faces.dataset import render_golden
from gazeclip.images.preprocess import PixelContract
from gazeclip.networks.student import Student, StudentSpec
from gazeclip.networks.student_encoder import build_student_encoder
from gazeclip.networks.weights import RANDOM_WEIGHTS, backbone_stats
from gazeclip.networks.zoo import ZooStudent
from quantize.encoder import quantize_encoder
from quantize.fuse import prepare_encoder

# As wide as the demo's head on as many classes; what follows the encoder is the same for all.
EMBED_DIM = 128
CLASSES = ("real", "one", "two", "three", "four")
LOGIT_SCALE = 10.0
PROBES = 16  # images that parity is measured on
_CALIBRATION = 16
_BATCH = 8
_PASSES = 4
_DRAWN_SIZE = 96  # drawing costs time by the pixel


@dataclass(frozen=True)
class Subject:
    """A student with its quantized encoder, and images `(N, S, S, 3)` uint8 to compare on."""

    student: Student
    quantized: nn.Module
    probes: np.ndarray

    @cached_property
    def folded(self) -> nn.Module:
        """The encoder re-parameterised, its norms within its convolutions."""
        return prepare_encoder(self.student.encoder, self.student.spec.contract.size)

    @cached_property
    def rounded(self) -> Student:
        """The student with the filters of w8 files."""
        return round_filters(self.student)


def make_subject(entry: ZooStudent, weights: str = "none", seed: int = 0) -> Subject:
    """Build, warm and calibrate a student; the same for the same seed.

    Args:
        weights: of the backbone, as `gazeclip.networks.weights.load_backbone` names them.

    Raises:
        ConfigError: timm has no such network.
        StageError: it cannot be folded or quantized.
    """
    torch.manual_seed(seed)
    pictures = draw_pictures(_CALIBRATION + PROBES, entry.size, seed)
    student = build_student(entry, weights)
    calibration = torch.from_numpy(pictures[:_CALIBRATION]).permute(0, 3, 1, 2).contiguous()
    batches = list(calibration.split(_BATCH))  # each (8, 3, S, S)
    if weights in RANDOM_WEIGHTS:
        _warm_statistics(student, batches)
    normalised = [student.normalise(batch) for batch in batches]
    quantized = quantize_encoder(student.encoder, normalised, overflow_fix=True).eval()
    return Subject(student, quantized, pictures[_CALIBRATION:])


def build_student(entry: ZooStudent, weights: str = "none") -> Student:
    """The student in eval mode, with a random text bank."""
    mean, std = backbone_stats(entry.name, weights)
    spec = StudentSpec(entry.name, EMBED_DIM, CLASSES, PixelContract(entry.size), mean, std)
    encoder = build_student_encoder(entry.name, entry.size, weights)
    bank = torch.randn(len(CLASSES), EMBED_DIM)
    return Student(spec, encoder, bank, LOGIT_SCALE).eval()


def draw_pictures(count: int, size: int, seed: int) -> np.ndarray:
    """Drawn faces, uint8 `(count, size, size, 3)`, enlarged from smaller ones."""
    drawn = torch.from_numpy(render_golden(count, _DRAWN_SIZE, seed=seed)).permute(0, 3, 1, 2)
    scaled = torch.nn.functional.interpolate(
        drawn.float(), size=(size, size), mode="bicubic", align_corners=False
    )
    return scaled.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


@torch.no_grad()
def _warm_statistics(student: Student, batches: list[Tensor]) -> None:
    student.train()
    for _ in range(_PASSES):
        for batch in batches:
            student(batch)
    student.eval()
