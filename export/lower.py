"""From the NNCF-quantized encoder to the form that each converter understands.

Scales and zero-points stay the very same.

OpenVINO reads NNCF's own quantizers. The others get frozen copies: a quantizer whose scale and
zero-point are constants, with two faces, `fake` for tracing (ONNX, Core ML) and `decomposed` for
`torch.export` (TFLite).
"""

from __future__ import annotations

import copy
import importlib
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn

from export.quiet import quiet
from gazeclip.errors import StageError
from gazeclip.system.place import command_line
from quantize.nncf_setup import prepare_nncf

Face = Literal["fake", "decomposed"]
_INT8 = (-128, 127)


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


class StrippedEncoder:
    """A quantized encoder with torch's own quantizers, from which frozen copies are made.

    Stripping takes most of the time, so it is done once for all targets, when the first asks.

    Args:
        quantized_encoder: from `quantize.encoder`; it is not changed, nor may anyone change it
            while copies are made.
        image_size: S in pixels.
    """

    def __init__(self, quantized_encoder: nn.Module, image_size: int) -> None:
        self._quantized_encoder = quantized_encoder
        self._image_size = image_size

    @cached_property
    def _stripped(self) -> nn.Module:
        prepare_nncf()
        import nncf

        example = torch.zeros(1, 3, self._image_size, self._image_size)
        with quiet(), torch.no_grad():
            # NATIVE turns NNCF's quantizers into torch's own, whose parameters can be read.
            source = copy.deepcopy(self._quantized_encoder).eval()
            stripped: nn.Module = nncf.strip(
                source, strip_format=nncf.StripFormat.NATIVE, example_input=example
            )
        return stripped

    def freeze(self, face: Face) -> nn.Module:
        """A copy with frozen quantizers, without any trainable or data-dependent part.

        For `decomposed`, unsigned levels 0..255 with zero-point z are re-expressed as -128..127
        with `z - 128`, which is exact: TFLite's 8-bit kernels are signed. For `fake` the levels
        stay as NNCF has them.

        Args:
            face: see `FrozenFakeQuantize`.

        Raises:
            StageError: a quantizer is not 8-bit with a zero-point inside its levels.
        """
        from torch.ao.quantization import FakeQuantize

        if face == "decomposed":  # the import registers the operators
            importlib.import_module("torch.ao.quantization.fx._decomposed")
        frozen = copy.deepcopy(self._stripped)
        for parent in list(frozen.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, FakeQuantize):
                    setattr(parent, name, _freeze_quantizer(child, face))
        return frozen.eval().requires_grad_(False)


def _freeze_quantizer(module: Any, face: Face) -> FrozenFakeQuantize:
    low = int(module.quant_min)
    high = int(module.quant_max)
    scale = module.scale.flatten()
    zero = module.zero_point.flatten().to(torch.int64)
    axis = int(module.ch_axis) if module.is_per_channel else None
    if high - low != 255 or low not in (0, -128) or bool(((zero < low) | (zero > high)).any()):
        raise StageError(
            f"a quantizer has levels {low}..{high}, which no 8-bit engine takes",
            remedy=f"Quantize again: {command_line('quantize', '--force')}",
        )
    if face == "decomposed" and low == 0:
        # q - z is unchanged when levels and zero-point both move by 128.
        low, high = _INT8
        zero = zero - 128
    return FrozenFakeQuantize(scale, zero, (low, high), axis, face)
