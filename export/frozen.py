"""A quantizer whose parameters are constants, in the form that a converter understands."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Face = Literal["fake", "decomposed"]
INT8 = (-128, 127)


class FrozenFakeQuantize(nn.Module):
    """Round to 8 bits and back with constant parameters.

    `torch.export` fails on quantizers that are not frozen, whose results depend on data.

    Args:
        scale: `(1,)` per tensor or `(Cout,)` per channel.
        zero_point: same shape, integers within the limits.
        limits: smallest and largest level.
        axis: channel axis, or None per tensor.
        face: which operations to emit; both compute the same.
    """

    def __init__(
        self,
        scale: Tensor,
        zero_point: Tensor,
        limits: tuple[int, int],
        axis: int | None,
        face: Face,
    ) -> None:
        super().__init__()
        self.limits = limits
        self.axis = axis
        self.face = face
        self.scale: Tensor
        self.zero_point: Tensor
        self.zero_point32: Tensor
        self.register_buffer("scale", scale.detach().clone().float())
        self.register_buffer("zero_point", zero_point.detach().clone().to(torch.int64))
        # The tracer needs int32 zero-points and torch.export int64 ones.
        self.register_buffer("zero_point32", self.zero_point.to(torch.int32))
        # Operators for a whole tensor take plain numbers.
        self.scalar_scale = float(scale.flatten()[0])
        self.scalar_zero = int(zero_point.flatten()[0])

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, unchanged."""
        low, high = self.limits
        if self.face == "decomposed":
            return self._apply_decomposed(x)
        if self.axis is None:
            return torch.fake_quantize_per_tensor_affine(
                x, self.scalar_scale, self.scalar_zero, low, high
            )
        return torch.fake_quantize_per_channel_affine(
            x, self.scale, self.zero_point32, self.axis, low, high
        )

    def _apply_decomposed(self, x: Tensor) -> Tensor:
        low, high = self.limits
        ops = torch.ops.quantized_decomposed
        if self.axis is None:
            args = (self.scalar_scale, self.scalar_zero, low, high, torch.int8)
            return ops.dequantize_per_tensor(ops.quantize_per_tensor(x, *args), *args)
        channel = (self.scale, self.zero_point, self.axis, low, high, torch.int8)
        return ops.dequantize_per_channel(ops.quantize_per_channel(x, *channel), *channel)
