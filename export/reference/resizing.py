"""Operations that change the size of an image `(B, C, H, W)` by interpolation."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from export.reference.table import register_operation
from gazeclip.errors import StageError


@register_operation
def upsample_bilinear(
    x: Tensor,
    scale_factor_height: Tensor | float = 1,
    scale_factor_width: Tensor | float = 1,
    align_corners: Tensor | bool = True,
    half_pixel_centers: Tensor | bool | None = None,
) -> Tensor:
    aligned = bool(align_corners)
    if half_pixel_centers is not None and bool(half_pixel_centers) == aligned:
        raise StageError(
            "the Core ML evaluator does not know upsample_bilinear with half_pixel_centers "
            f"{bool(half_pixel_centers)} and align_corners {aligned}",
            remedy="Interpolate as torch does: one of the two",
        )
    factors = (float(scale_factor_height), float(scale_factor_width))
    size = [math.floor(factor * side) for factor, side in zip(factors, x.shape[-2:], strict=True)]
    # Between places that follow from the sizes alone, as MIL has it.
    return F.interpolate(x.to(torch.float32), size=size, mode="bilinear", align_corners=aligned)
