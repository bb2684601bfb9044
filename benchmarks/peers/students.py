"""The project's own students with random weights, through its own export, at the peers' size."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.peers.catalogue import LITE_STUDENT, MOBILENET_STUDENT, SIDE
from benchmarks.peers.settle import settle_statistics
from export.deploy import DeployModel
from export.head_weights import pack_head
from export.job import ExportJob, Result
from export.quiet import quiet
from export.registry import load_target
from gazeclip.bundle.layout import Precision
from gazeclip.faces.dataset import render_golden
from gazeclip.images.preprocess import PixelContract
from gazeclip.networks.student import Student, StudentSpec
from gazeclip.networks.student_encoder import build_student_encoder
from gazeclip.recipe.stages import ExportStage, QuantizeStage
from gazeclip.taxonomy import Taxonomy
from quantize.encoder import quantize_encoder

BACKBONES = {
    MOBILENET_STUDENT: "mobilenetv4_conv_small",
    LITE_STUDENT: "tf_efficientnet_lite0",
}
_EMBEDDING = 512  # of the full teacher, which such a student learns
_LOGIT_SCALE = 10.0
_CALIBRATION = 16  # drawn faces
_TAXONOMY = "dfad"


class RandomStudent:
    """A student, its quantized encoder, and the way to files. Everything is made once."""

    def __init__(self, backbone: str, size: int = SIDE) -> None:
        self.backbone = backbone
        self.size = size
        self.classes = tuple(Taxonomy.load(_TAXONOMY).classes())

    @cached_property
    def student(self) -> Student:
        """In eval mode."""
        torch.manual_seed(0)
        encoder = build_student_encoder(self.backbone, self.size)
        spec = StudentSpec(self.backbone, _EMBEDDING, self.classes, PixelContract(self.size))
        bank = torch.randn(len(self.classes), _EMBEDDING)
        student = Student(spec, encoder, bank, _LOGIT_SCALE)
        settle_statistics(student.encoder, student.normalise(self.faces))
        return student.eval()

    @cached_property
    def faces(self) -> Tensor:
        """Drawn faces, uint8 `(N, 3, S, S)`."""
        drawn = render_golden(_CALIBRATION, self.size)
        return torch.from_numpy(drawn).permute(0, 3, 1, 2).contiguous()

    @cached_property
    def quantized(self) -> nn.Module:
        """The encoder with quantizers as a recipe has them where nothing is said."""
        normalised = self.student.normalise(self.faces)
        fix = QuantizeStage().overflow_fix
        with quiet():
            return quantize_encoder(self.student.encoder, [normalised], overflow_fix=fix).eval()

    def deploy(self) -> DeployModel:
        """The float student as it is exported: uint8 `(B, S, S, 3)` to its four outputs."""
        return DeployModel(self.student, None, self.size)

    def export(self, target: str, precision: Precision, folder: Path) -> Result:
        """Write the model file into an existing folder; `model`, its name, and `io`."""
        job = ExportJob(
            student=self.student,
            quantized_encoder=self.quantized if precision == "int8" else None,
            precision=precision,
            out_dir=folder,
            classes=self.classes,
            image_size=self.size,
        )
        packed = pack_head(job, ExportStage().head_weights)
        result: Result = load_target(target).export(packed)
        return result
