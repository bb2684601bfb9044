"""The networks that the students are timed beside, with random weights: only latency is meant.

Each is built in the form in which it is fastest without changing what it computes: eval mode,
parallel branches made one convolution, batch norms folded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from benchmarks.peers.settle import settle_statistics
from gazeclip.networks.weights import load_backbone
from gazeclip.recipe.teacher import GazeConfig, TeacherConfig, TextConfig
from gazeclip.taxonomy import Taxonomy
from gazeclip.teacher.image.clip import build_clip
from gazeclip.teacher.model import GazeCLIP
from quantize.fuse import prepare_encoder

Role = Literal["teacher", "peer", "student"]
TEACHER = "teacher ViT-B-16"
MOBILECLIP = "MobileCLIP-S0"
MOBILENET_STUDENT = "student mobilenetv4_conv_small"
LITE_STUDENT = "student tf_efficientnet_lite0"
SIDE = 224  # of the students, and of whatever takes this size
_TAXONOMY = "dfad"
_SETTLING = 4  # images that batch norms learn their statistics from


@dataclass(frozen=True)
class Peer:
    """One network.

    Attributes:
        about: what it is, for the report.
        size: S in pixels.
        build: the module, in eval mode, over what `make_example` gives.
        convolutional: whether another memory layout may make it faster in PyTorch.
        pixels: it takes uint8 and normalises by itself; otherwise normalised floats, which spares
            it that work.
    """

    name: str
    role: Role
    about: str
    size: int
    build: Callable[[], nn.Module]
    convolutional: bool = True
    pixels: bool = False

    def make_example(self, batch: int = 1) -> Tensor:
        """Random input `(B, 3, S, S)`, the same in every call."""
        generator = torch.Generator().manual_seed(0)
        shape = (batch, 3, self.size, self.size)
        if self.pixels:
            return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        return torch.rand(shape, generator=generator) * 2 - 1


class TeacherOverPixels(nn.Module):
    """GazeCLIP as it judges: its class texts are encoded once, not with every image."""

    text: Tensor

    def __init__(self, model: GazeCLIP) -> None:
        super().__init__()
        self.model = model
        with torch.no_grad():
            self.register_buffer("text", model.encode_text()[0])

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """uint8 `(B, 3, S, S)` -> embedding `(B, D)`, logits `(B, C)`, fake logit, gaze."""
        output = self.model(pixels, None, self.text)
        return output.embedding, output.logits, output.fake_logit, output.gaze


def build_teacher() -> nn.Module:
    """The full teacher: CLIP's ViT-B/16 and the gaze encoder's ResNet-50 on 448 pixels."""
    torch.manual_seed(0)
    taxonomy = Taxonomy.load(_TAXONOMY)
    prompts = [taxonomy.prompts(name) for name in taxonomy.classes()]
    config = TeacherConfig(
        tower="clip", clip_pretrained="none", gaze=GazeConfig("l2cs"), text=TextConfig()
    )
    model = GazeCLIP(config, prompts, SIDE, load=False).eval()
    encoder = model.gaze_encoder
    if encoder is not None:
        side = encoder.input_size
        network = encoder.get_submodule("network")
        settle_statistics(network, torch.rand(_SETTLING, 3, side, side) * 2 - 1)
        folded = prepare_encoder(network, side)
        encoder.add_module("network", folded.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    return TeacherOverPixels(model).eval()


def _build_tower(name: str) -> nn.Module:
    """The image side of an open_clip model."""
    torch.manual_seed(0)
    config = TeacherConfig(tower="clip", clip_model=name, clip_pretrained="none")
    visual: nn.Module = build_clip(config, SIDE, load=False).get_submodule("visual")
    return visual.eval()


def build_timm(name: str, size: int, outputs: int, fold: bool = True) -> nn.Module:
    """A network of timm with so many outputs.

    `fold`: batch norms go into the convolutions before them; the engines do so in any case.
    """
    from timm.utils.model import reparameterize_model

    torch.manual_seed(0)
    network = load_backbone(name, "none", num_classes=outputs)
    settle_statistics(network, torch.rand(_SETTLING, 3, size, size) * 2 - 1)
    if fold:
        return prepare_encoder(network, size)
    single: nn.Module = reparameterize_model(network)
    return single.eval()


def _describe_timm(
    title: str, name: str, size: int, outputs: int, about: str, fold: bool = True
) -> Peer:
    return Peer(title, "peer", about, size, lambda: build_timm(name, size, outputs, fold))


def _describe_tower(title: str, name: str) -> Peer:
    about = f"image tower of open_clip's {name}"
    return Peer(title, "peer", about, SIDE, lambda: _build_tower(name), convolutional=False)


PEERS = (
    Peer(
        TEACHER,
        "teacher",
        "ViT-B/16 at 224 px and ResNet-50 at 448 px with all between them; class texts stored",
        SIDE,
        build_teacher,
        convolutional=False,  # its CNN has its layout already
        pixels=True,
    ),
    _describe_tower("open_clip ViT-B/16", "ViT-B-16"),
    _describe_tower("open_clip ViT-B/32", "ViT-B-32"),
    # Where it encodes positions, what a norm reads is also added later: that one cannot be folded.
    _describe_timm(
        MOBILECLIP, "fastvit_mci0", 256, 512, "its image tower, fastvit_mci0 of timm", fold=False
    ),
    _describe_timm("MobileNetV4-S", "mobilenetv4_conv_small", SIDE, 2, "with two outputs"),
    _describe_timm("MobileNetV4-M", "mobilenetv4_conv_medium", SIDE, 2, "with two outputs"),
    # Sizes at which these two are used as detectors: Shiohara and Yamasaki, CVPR 2022
    # (arXiv:2204.08376), and Roessler et al., ICCV 2019 (arXiv:1901.08971).
    _describe_timm("EfficientNet-B4", "efficientnet_b4", 380, 2, "with two outputs"),
    _describe_timm("Xception", "legacy_xception", 299, 2, "with two outputs"),
)
