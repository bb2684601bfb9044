"""The network that ships.

An encoder (timm backbone and gaze branch), a projection into the text bank's space, a detection
head and a gaze head.

The encoder is what NNCF quantizes; everything behind it stays float, because the norm, the logit
scale and the angles are where eight bits do damage and cost nothing to keep.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazeclip.errors import ArtifactError
from gazeclip.files.atomic import read_json, write_json
from gazeclip.files.tensors import load_tensors, save_tensors
from gazeclip.images.preprocess import PixelContract
from gazeclip.networks.gaze_head import GazeHead
from gazeclip.networks.student_encoder import StudentEncoder, build_student_encoder
from gazeclip.system.place import command_line

CONFIG = "config.json"
TEACHER_KEY = "teacher_sha256"  # of a distilled student's config.json

# Keeps the L2 norm finite in fp16 engines, where 1e-6 underflows.
NORM_EPSILON = 1e-4


@dataclass(frozen=True)
class StudentSpec:
    """Everything needed to rebuild the module around its weights."""

    backbone: str
    embed_dim: int
    classes: tuple[str, ...]
    contract: PixelContract
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)


class StudentOutput(NamedTuple):
    """What a student says of B images.

    `embedding (B, D)` L2-normalised, `logits (B, C)`, `fake_logit (B, 1)`, `gaze (B, 2)` pitch and
    yaw in radians.
    """

    embedding: Tensor
    logits: Tensor
    fake_logit: Tensor
    gaze: Tensor


class StudentHead(nn.Module):
    """Encoder features `(B, F + G)` -> `StudentOutput`.

    The gaze is read from the last G of them, or from all where G is 0. The fake logit is the mean
    of a learned head and of what attribution says: the log of all forgeries' mass over that of
    real.
    """

    def __init__(
        self,
        features: int,
        gaze_features: int,
        embed_dim: int,
        text_bank: Tensor,
        logit_scale: float,
    ) -> None:
        super().__init__()
        self.features = features
        self.gaze_features = gaze_features
        self.projection = nn.Linear(features, embed_dim)
        self.detection = nn.Linear(features, 1)
        self.gaze = GazeHead(gaze_features or features)
        self.register_buffer("text_bank", F.normalize(text_bank.float(), dim=-1))
        self.register_buffer("logit_scale", torch.tensor(float(logit_scale)))
        self.text_bank: Tensor
        self.logit_scale: Tensor

    def forward(self, features: Tensor, bank: Tensor | None = None) -> StudentOutput:
        """The outputs; with another `bank (K, D)` its classes' logits `(B, K)`.

        The fake logit comes of the bank that the student was trained with in either case.
        """
        pooled = features
        places = features
        if self.gaze_features:
            pooled = features[:, : self.features]  # (B, F)
            places = features[:, self.features :]  # (B, G)
        projected = self.projection(pooled)  # (B, F) -> (B, D)
        norm = torch.sqrt((projected * projected).sum(dim=-1, keepdim=True) + NORM_EPSILON)
        embedding = projected / norm
        logits = self.logit_scale * embedding @ self.text_bank.t()  # (B, D) @ (D, C)
        # (B, 1): the mass of all forgeries; class 0 is real.
        forged = torch.logsumexp(logits[:, 1:], dim=-1, keepdim=True)
        fake_logit = 0.5 * (self.detection(pooled) + forged - logits[:, :1])
        if bank is not None:
            logits = self.logit_scale * embedding @ bank.t()  # (B, D) @ (D, K)
        return StudentOutput(embedding, logits, fake_logit, self.gaze(places))


class Student(nn.Module):
    """uint8 pixels `(B, 3, S, S)` -> `StudentOutput`."""

    def __init__(
        self, spec: StudentSpec, encoder: StudentEncoder, text_bank: Tensor, logit_scale: float
    ) -> None:
        super().__init__()
        self.spec = spec
        self.encoder: nn.Module = encoder  # also a quantized one, see `with_encoder`
        self.head = StudentHead(
            encoder.features, encoder.gaze_features, spec.embed_dim, text_bank, logit_scale
        )
        self.register_buffer(
            "mean", 255.0 * torch.tensor(spec.mean).view(1, 3, 1, 1), persistent=False
        )
        self.register_buffer(
            "std", 255.0 * torch.tensor(spec.std).view(1, 3, 1, 1), persistent=False
        )
        self.mean: Tensor
        self.std: Tensor

    def normalise(self, pixels: Tensor) -> Tensor:
        """Pixel values in 0..255, uint8 or float -> `(B, 3, S, S)` float32 for the encoder."""
        return (pixels.float() - self.mean) / self.std

    def forward(self, pixels: Tensor) -> StudentOutput:
        # Channels-last convolutions train about 1.7 times faster on a CPU; results agree to
        # rounding.
        x = self.normalise(pixels).contiguous(memory_format=torch.channels_last)
        output: StudentOutput = self.head(self.encoder(x))
        return output

    def with_encoder(self, encoder: nn.Module) -> Student:
        """A copy around another encoder, such as the quantized one.

        The head is copied as well, so that training the copy leaves this student as it is; the
        encoder is taken as given.
        """
        # What `copy.deepcopy` finds here by its id counts as copied already. Building a student
        # anew would draw a head, and so change what is drawn after it.
        copied = {id(self.encoder): encoder, id(self.spec): self.spec}
        return copy.deepcopy(self, copied)


def save_student(folder: Path, student: Student, extra: dict[str, Any] | None = None) -> None:
    """`model.safetensors` (with text bank and scale) and `config.json`."""
    spec = asdict(student.spec)
    save_tensors(folder / "model.safetensors", student.state_dict(), {"kind": "student"})
    write_json(folder / CONFIG, {"kind": "student", "spec": spec, **(extra or {})})


def load_student(folder: Path) -> Student:
    """Rebuild a student from its folder, in eval mode.

    Raises:
        ArtifactError: missing or damaged files, or weights of another network.
    """
    config = read_json(Path(folder) / CONFIG)
    if config.get("kind") != "student":
        raise ArtifactError(f"{folder} holds no student", remedy=f"Run: {command_line('distill')}")
    spec_data: dict[str, Any] = dict(config["spec"])
    contract = PixelContract(**spec_data.pop("contract"))
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in spec_data.items()
    }
    spec = StudentSpec(contract=contract, **values)
    tensors, _ = load_tensors(Path(folder) / "model.safetensors")
    bank = tensors.get("head.text_bank")
    if bank is None or bank.shape != (len(spec.classes), spec.embed_dim):
        raise ArtifactError(
            f"{folder}/model.safetensors does not fit its config.json",
            remedy=f"Run: {command_line('distill', '--force')}",
        )
    encoder = build_student_encoder(spec.backbone, spec.contract.size)
    student = Student(spec, encoder, bank, float(tensors["head.logit_scale"]))
    try:
        student.load_state_dict(tensors)
    except RuntimeError as error:
        detail = str(error).splitlines()[-1].strip()
        raise ArtifactError(
            f"{folder}/model.safetensors does not fit {spec.backbone} ({detail})",
            remedy=f"Run: {command_line('distill', '--force')}",
        ) from error
    return student.eval()
