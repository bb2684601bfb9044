"""Gaze encoders behind one interface: uint8 pixels in, a feature map and the gaze angles out.

Angles are `(pitch, yaw)` in radians in the camera frame (x right, y down, z away from the camera),
so that the unit vector is (-cos p sin y, -sin p, -cos p cos y): positive pitch looks up, positive
yaw towards the left of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class GazeFeatures:
    """What a gaze encoder saw.

    `tokens (B, N, Cg)` is the flattened feature map, `gaze (B, 2)` pitch and yaw. `doubt (B, 2)`:
    by how much pitch and yaw of the mirror image, mirrored back, differ, where that was looked at.
    """

    tokens: Tensor
    gaze: Tensor
    doubt: Tensor | None = None


class GazeEncoder(nn.Module):
    """Base: resizes and normalises uint8 RGB `(B, 3, S, S)` for itself and can be frozen for good.

    Subclasses set `channels` (Cg) and `input_size`, and define
    `_encode_images(x (B, 3, I, I) normalised) -> GazeFeatures`. `pretrained` says whether the
    angles mean anything: weights from a gaze data set, or training on gaze labels.
    """

    channels: int
    input_size: int
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.name = name
        self.pretrained = False
        self.origin = "random initialisation"
        self._frozen = False
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    @property
    def frozen(self) -> bool:
        """Whether `freeze` was called."""
        return self._frozen

    def freeze(self) -> GazeEncoder:
        """No gradients, and BatchNorm in eval from now on whatever `train()` says."""
        self._frozen = True
        self.requires_grad_(False)
        return self.eval()

    def train(self, mode: bool = True) -> GazeEncoder:
        super().train(mode and not self._frozen)
        return self

    def mark_trained(self, origin: str) -> None:
        """Record that the weights come from `origin`, e.g. "gaze labels of the training split"."""
        self.pretrained = True
        self.origin = origin

    def describe(self) -> str:
        """One line for reports: layout, input size and where the weights come from."""
        state = "gaze-trained" if self.pretrained else "NOT gaze-trained, its angles mean nothing"
        return f"{self.name}, {self.input_size} px input, {state} ({self.origin})"

    def forward(self, pixels: Tensor) -> GazeFeatures:
        """`pixels`: uint8 RGB `(B, 3, S, S)`."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._frozen):
            x = pixels.float() / 255.0
            size = (self.input_size, self.input_size)
            if x.shape[-2:] != size:
                x = F.interpolate(
                    x, size=size, mode="bilinear", antialias=True, align_corners=False
                )
            x = (x - self.mean) / self.std
            return self._encode_images(x.contiguous(memory_format=torch.channels_last))

    def _encode_images(self, x: Tensor) -> GazeFeatures:
        raise NotImplementedError


def flatten_map(feature_map: Tensor) -> Tensor:
    """`(B, C, H, W)` -> tokens `(B, H*W, C)`."""
    return feature_map.flatten(2).transpose(1, 2)
