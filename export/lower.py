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
from typing import Any

import torch
from torch import nn

from export.frozen import INT8, Face, FrozenFakeQuantize
from export.lower_gelu import quantize_before_gelu
from export.quiet import quiet
from gazeclip.errors import StageError
from gazeclip.system.place import command_line
from quantize.nncf_setup import prepare_nncf


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
        stay as NNCF has them. `decomposed` also has quantizers before GELU (`lower_gelu.py`).

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
        if face == "decomposed":
            quantize_before_gelu(frozen)
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
        low, high = INT8
        zero = zero - 128
    return FrozenFakeQuantize(scale, zero, (low, high), axis, face)
