"""The hybrid tower: maps of a pretrained CNN are the tokens of a small transformer (the hybrid of arXiv:2010.11929)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazeclip.errors import ConfigError
from gazeclip.teacher.attention import Block
from gazeclip.teacher.config import TeacherConfig
from gazeclip.teacher.towers import ImageTower
from gazeclip.teacher.weights import backbone_stats, load_backbone

_STRIDES = (16, 32)


class HybridTower(ImageTower):
    """Stride-16 and -32 maps of a timm CNN -> linear -> tokens with learned positions -> pre-norm blocks -> CLS."""

    def __init__(self, config: TeacherConfig, image_size: int, load: bool = True) -> None:
        super().__init__(*backbone_stats(config.backbone, config.backbone_weights))
        self.width, self.embed_dim, self.depth = config.width, config.embed_dim, config.depth
        self.pretrained = config.backbone_weights != "none"
        backbone = load_backbone(config.backbone, config.backbone_weights if load else "none", features_only=True)
        # Depthwise convolutions train about twice as fast on a CPU with the channels innermost.
        self.backbone = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.taken = _maps_at(self.backbone, config.backbone)
        channels = self.backbone.feature_info.channels()  # type: ignore[union-attr, operator]
        self.embeddings = nn.ModuleList(nn.Linear(channels[index], self.width) for index in self.taken)
        self.cls = nn.Parameter(torch.randn(1, 1, self.width) * 0.02)
        sides = [math.ceil(image_size / stride) for stride in _STRIDES]
        self.positions = nn.ParameterList(nn.Parameter(torch.randn(1, self.width, side, side) * 0.02) for side in sides)
        self.ln_pre = nn.LayerNorm(self.width)
        rates = torch.linspace(0.0, config.drop_path, self.depth).tolist()
        self.layers = nn.ModuleList(Block(self.width, config.heads, config.dropout, rate) for rate in rates)
        self.ln_post = nn.LayerNorm(self.width)
        self.projection = nn.Linear(self.width, self.embed_dim, bias=False)

    def embed(self, x: Tensor) -> Tensor:
        maps = self.backbone(x.contiguous(memory_format=torch.channels_last))
        parts = [self.cls.expand(x.shape[0], -1, -1)]
        for index, embedding, position in zip(self.taken, self.embeddings, self.positions, strict=True):
            feature_map = maps[index]
            tokens = embedding(feature_map.flatten(2).transpose(1, 2))
            parts.append(tokens + _resized(position, feature_map.shape[-2:]).flatten(2).transpose(1, 2))
        return self.ln_pre(torch.cat(parts, dim=1))

    def blocks(self) -> Iterable[nn.Module]:
        return self.layers

    def project(self, cls: Tensor) -> Tensor:
        return self.projection(self.ln_post(cls))

    def pretrained_parameters(self) -> list[nn.Parameter]:
        return list(self.backbone.parameters()) if self.pretrained else []


def _maps_at(backbone: nn.Module, name: str) -> list[int]:
    """Indices of the last maps at stride 16 and 32."""
    reductions = list(backbone.feature_info.reduction())  # type: ignore[union-attr, operator]
    missing = [stride for stride in _STRIDES if stride not in reductions]
    if missing:
        raise ConfigError(
            f"backbone '{name}' has maps at strides {reductions}, the hybrid tower needs {list(_STRIDES)}",
            remedy="Choose a CNN such as tf_efficientnet_lite0, mobilenetv4_conv_small or resnet18",
        )
    return [len(reductions) - 1 - reductions[::-1].index(stride) for stride in _STRIDES]


def _resized(position: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """A position table `(1, width, h, w)` at another grid size, where the image is not of the size it was built for."""
    if position.shape[-2:] == tuple(size):
        return position
    return F.interpolate(position, size=tuple(size), mode="bicubic", align_corners=False)
