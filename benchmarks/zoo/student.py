"""A student as the zoo measures it: of no use, and sound enough that every figure means something.

Operations and times do not depend on what weights were trained for. Parity does: random layers
either drown what tells one image from another, and any file agrees, or pass every difference on
undamped, and no rounding to integers stays within the bounds. So a student is taught for some
seconds (`benchmarks.zoo.lesson`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.zoo.lesson import MARKS, list_marks, mark_pictures, teach
from export.filters import round_filters
from gazeclip.faces.dataset import render_golden
from gazeclip.images.preprocess import PixelContract
from gazeclip.networks.student import Student, StudentSpec
from gazeclip.networks.student_encoder import build_student_encoder
from gazeclip.networks.weights import RANDOM_WEIGHTS, backbone_stats
from gazeclip.networks.zoo import ZooStudent
from quantize.encoder import quantize_encoder
from quantize.fuse import prepare_encoder

# As wide as the demo's; what follows the encoder is the same for all.
EMBED_DIM = 128
LOGIT_SCALE = 10.0
# Images that parity is measured on: those that the student was taught and calibrated on, since one
# that it is in doubt of turns over by a rounding.
PROBES = 24
_BATCH = 8
_DRAWN_SIZE = 96  # drawing costs time by the pixel
_ASLEEP = 1e-2  # a branch that is scaled by less adds nothing that a comparison could see
_AWAKE = 0.5


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
    """Build, teach and calibrate a student; the same for the same seed.

    Args:
        weights: of the backbone, as `gazeclip.networks.weights.load_backbone` names them. Any but
            random ones stay as they are.

    Raises:
        ConfigError: timm has no such network.
        StageError: it cannot be folded or quantized.
    """
    torch.manual_seed(seed)
    student = build_student(entry, weights)
    pictures = draw_pictures(PROBES, entry.size, seed)
    random = weights in RANDOM_WEIGHTS
    if random:
        wake_branches(student.encoder)
    teach(student, pictures, seed, with_backbone=random)
    marked = mark_pictures(pictures, list_marks(PROBES), seed)
    calibration = student.normalise(marked).split(_BATCH)  # each (8, 3, S, S)
    quantized = quantize_encoder(student.encoder, list(calibration), overflow_fix=True).eval()
    probes = marked.permute(0, 2, 3, 1).contiguous().numpy()
    return Subject(student, quantized, probes)


def build_student(entry: ZooStudent, weights: str = "none") -> Student:
    """The student in eval mode, untrained, with a random text bank."""
    mean, std = backbone_stats(entry.name, weights)
    spec = StudentSpec(entry.name, EMBED_DIM, MARKS, PixelContract(entry.size), mean, std)
    encoder = build_student_encoder(entry.name, entry.size, weights)
    bank = torch.randn(len(MARKS), EMBED_DIM)
    return Student(spec, encoder, bank, LOGIT_SCALE).eval()


def draw_pictures(count: int, size: int, seed: int) -> Tensor:
    """Drawn faces, uint8 `(count, 3, size, size)`, enlarged from smaller ones."""
    drawn = torch.from_numpy(render_golden(count, _DRAWN_SIZE, seed=seed)).permute(0, 3, 1, 2)
    scaled = torch.nn.functional.interpolate(
        drawn.float(), size=(size, size), mode="bicubic", align_corners=False
    )
    return scaled.clamp(0, 255).round().to(torch.uint8)


@torch.no_grad()
def wake_branches(network: nn.Module) -> int:
    """Let residual branches add to their sums, in place; how many were asleep.

    Networks begin with branches of next to nothing: the last norm's weights are 0 ("zero-init
    residual", Goyal et al., arXiv:1706.02677), or a layer scale `gamma` is 1e-5 (Touvron et al.,
    arXiv:2103.17239); other ways are not looked for. Folded into the convolution, the first makes
    all of its weights equal, and files store equal weights once; with either, what happens in the
    branch changes no output.
    """
    woken = 0
    for module in network.modules():
        scales = [module.weight] if isinstance(module, nn.BatchNorm2d) else []
        scales += [own for name, own in module.named_parameters(recurse=False) if name == "gamma"]
        for scale in scales:
            if scale.abs().max() < _ASLEEP:
                scale.fill_(_AWAKE)
                woken += 1
    return woken
