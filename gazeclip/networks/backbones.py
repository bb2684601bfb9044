"""timm networks as encoders, and the sizes of their images."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


def build_encoder(backbone: str, weights: str = "none", drop_path: float = 0.0) -> nn.Module:
    """A timm network without classifier, `(B, 3, S, S)` -> features `(B, F)`.

    The weights are named as in `gazeclip.networks.weights.load_backbone`.
    """
    from gazeclip.networks.weights import load_backbone

    kwargs: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    return load_backbone(backbone, weights, num_classes=0, **kwargs)


def scale_images(images: Tensor, size: int) -> Tensor:
    """Images `(B, 3, S, S)` -> `(B, 3, size, size)`; 0 leaves them as they are."""
    if size in (0, images.shape[-1]):
        return images
    return F.interpolate(
        images, size=(size, size), mode="bicubic", antialias=True, align_corners=False
    )
