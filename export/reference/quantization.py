"""Operations between floats and quantized integers."""

from __future__ import annotations

import torch
from torch import Tensor

from export.reference.table import register_operation


def _broadcast_along(value: Tensor, axis: int, rank: int) -> Tensor:
    """A scalar as it is, a vector shaped to broadcast along `axis` of a tensor of `rank`."""
    if value.ndim == 0:
        return value
    shape = [1] * rank
    shape[axis] = -1
    return value.reshape(shape)


@register_operation
def quantize(
    input: Tensor,
    scale: Tensor,
    output_dtype: str,
    zero_point: Tensor | None = None,
    axis: Tensor | int = 0,
) -> Tensor:
    kind = {"int8": torch.int8, "uint8": torch.uint8}[output_dtype]
    zero = _broadcast_along(
        torch.zeros(()) if zero_point is None else zero_point, int(axis), input.ndim
    ).float()
    levels = torch.round(input / _broadcast_along(scale, int(axis), input.ndim)) + zero
    return levels.clamp(torch.iinfo(kind).min, torch.iinfo(kind).max).to(kind)


@register_operation
def dequantize(
    input: Tensor, scale: Tensor, zero_point: Tensor | None = None, axis: Tensor | int = 0
) -> Tensor:
    zero = _broadcast_along(
        torch.zeros(()) if zero_point is None else zero_point, int(axis), input.ndim
    ).float()
    return (input.float() - zero) * _broadcast_along(scale, int(axis), input.ndim)


@register_operation
def constexpr_affine_dequantize(
    quantized_data: Tensor, scale: Tensor, zero_point: Tensor, axis: Tensor
) -> Tensor:
    return dequantize(quantized_data, scale, zero_point, axis)


@register_operation
def constexpr_blockwise_shift_scale(
    data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> Tensor:
    """From iOS 18 on; a scale holds for a block of elements along each axis."""
    zero = torch.zeros_like(scale) if offset is None else offset.float()
    return (data.float() - _spread_blocks(zero, data)) * _spread_blocks(scale, data)


def _spread_blocks(values: Tensor, data: Tensor) -> Tensor:
    """One value for each element of `data`, of the same rank and a multiple of the size."""
    for axis, (have, want) in enumerate(zip(values.shape, data.shape, strict=True)):
        values = values.repeat_interleave(want // have, dim=axis)
    return values


@register_operation
def constexpr_cast(source_val: Tensor, output_dtype: str) -> Tensor:
    return source_val.float()
