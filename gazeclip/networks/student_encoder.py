"""The part of a student that is quantized: a timm network and a branch for the gaze.

Where the iris lies within the eye is lost once a map is pooled over its places, and largely so in
the deep maps of a network that tells forgeries. So the branch reads an early map. Its gradients end
there: what the backbone learns of forgeries stays as it would be without gaze.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gazeclip.networks.backbones import build_encoder

MIN_STRIDE = 2
# The finest map of at most this side is read: stride 2 up to 128 pixels, stride 4 up to 256. It
# shows an eye in as many places whatever the size of the image. At twice the stride a map is
# shaped by detection so far that in one training of three the branch learnt nothing from it.
_LARGEST_SIDE = 64
# It is halved until its side is no larger than this: the layer over all places grows with its area.
_READ_SIDE = 8
GAZE_FEATURES = 64


class PlaceReader(nn.Module):
    """A map `(B, C, h, h)` -> `(B, 64)`, with a weight for each place.

    It ends in a linear layer over all places, written as a convolution as large as the map: NNCF
    and all converters have 8-bit convolutions.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        layers = []
        width = 32
        while side > _READ_SIDE:
            layers.append(_conv_block(channels, width, kernel=3, stride=2))
            side = (side + 1) // 2
            channels = width
            width = 48
        layers.append(_conv_block(channels, 48, kernel=3, stride=1))
        layers.append(_conv_block(48, 24, kernel=1, stride=1))
        self.reduce = nn.Sequential(*layers)
        self.read = nn.Sequential(
            nn.Conv2d(24, GAZE_FEATURES, kernel_size=side), nn.ReLU(inplace=True)
        )

    def forward(self, feature_map: Tensor) -> Tensor:
        return self.read(self.reduce(feature_map)).flatten(1)  # (B, 64, 1, 1) -> (B, 64)


class StudentEncoder(nn.Module):
    """Normalised images `(B, 3, S, S)` -> `(B, F + G)`: pooled features, then those of the gaze.

    It gives one tensor, so that quantizers and converters see a plain network. A backbone without
    maps (`has_places` false) gives `(B, F)`, and the gaze is then read from the pooled features.

    Args:
        backbone: a timm network without classifier; it is taken as given.
        image_size: S in pixels; the branch takes images of this size only.
    """

    def __init__(self, backbone: nn.Module, image_size: int) -> None:
        super().__init__()
        self.backbone: Any = backbone
        found = _find_place_map(backbone, image_size)
        self.has_places = found is not None
        if found is None:
            # timm's name for the width behind a head's hidden layer, where there is one.
            hidden: Any = getattr(backbone, "head_hidden_size", 0)
            width: Any = hidden or self.backbone.num_features
            self.features = int(width)
            self.gaze_features = 0
            return
        self.taken, channels, side, self.features = found
        self.places = PlaceReader(channels, side)
        self.gaze_features = GAZE_FEATURES

    def forward(self, images: Tensor) -> Tensor:
        if not self.has_places:
            return self.backbone(images)  # type: ignore[no-any-return]
        last, maps = self.backbone.forward_intermediates(images, indices=[self.taken])
        pooled = self.backbone.forward_head(last, pre_logits=True)  # (B, F)
        feature_map = maps[0]
        if feature_map.requires_grad:  # asked for, so that exported graphs have no such operation
            feature_map = feature_map.detach()
        return torch.cat((pooled, self.places(feature_map)), dim=1)


def build_student_encoder(
    backbone: str, image_size: int, weights: str = "none", drop_path: float = 0.0
) -> StudentEncoder:
    """A student's encoder for images of one size in pixels.

    The weights are those of the backbone, named as in `gazeclip.networks.weights.load_backbone`;
    the branch for the gaze starts anew.
    """
    return StudentEncoder(build_encoder(backbone, weights, drop_path), image_size)


@torch.no_grad()
def _find_place_map(backbone: Any, image_size: int) -> tuple[int, int, int, int] | None:
    """Of the map to read: its number, channels and side; and the width of the pooled features.

    None where the backbone gives no square map that fits.
    """
    if not (hasattr(backbone, "forward_intermediates") and hasattr(backbone, "forward_head")):
        return None
    was_training = backbone.training
    backbone.eval()
    last, maps = backbone.forward_intermediates(torch.zeros(1, 3, image_size, image_size))
    features = backbone.forward_head(last, pre_logits=True).shape[-1]
    backbone.train(was_training)
    sides = [found.shape[-1] if found.dim() == 4 else 0 for found in maps]
    # A side is rounded up at each stride.
    largest = min(-(-image_size // MIN_STRIDE), _LARGEST_SIDE)
    fitting = [side for side in sides if 0 < side <= largest]
    if not fitting:
        return None
    side = max(fitting)
    number = len(sides) - 1 - sides[::-1].index(side)  # the last of that side has seen most
    return number, maps[number].shape[1], side, features


def _conv_block(inner: int, outer: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inner, outer, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outer),
        nn.ReLU(inplace=True),
    )
