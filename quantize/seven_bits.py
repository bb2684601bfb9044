"""What the overflow fix promised at calibration, kept through training.

With the fix NNCF gives a convolution's quantizer twice the range of its weights, so that they begin
within half of its levels. Nothing holds them there: ranges and weights are trained, and some move a
level or two beyond. Two products of such weights may again not fit into 16 bits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gazeclip.system.packages import require
from quantize.encoder import named_quantizers
from quantize.layers import map_operations

# 2 * 255 * 64 is below 2^15.
LARGEST_LEVEL = 64
_LEVELS = 127  # of what the quantizer's scale is worth


def bound_levels(quantized: nn.Module, prepared: nn.Module, example: Tensor) -> int:
    """Bring weights that moved beyond `LARGEST_LEVEL` back to it, in place; how many there were.

    Depthwise convolutions stay: NNCF leaves them all 8 bits, as engines add no two of their
    products in 16 bits.

    Args:
        quantized: an encoder made with the overflow fix.
        prepared: the float encoder that it was made from (`quantize.fuse.prepare_encoder`).
        example: normalised `(1, 3, S, S)`.
    """
    storage = require("nncf.torch.function_hook.hook_storage", extra="train")
    scales: dict[str, Any] = {
        storage.decode_hook_name(name)[1]: quantizer.scale
        for name, quantizer, on_weight in named_quantizers(quantized)
        if on_weight
    }
    moved = 0
    for name, operation in map_operations(prepared, example).items():
        layer = quantized.get_submodule(name)
        scale = scales.get(operation)  # (N, 1, 1, 1); None: left in float
        if not isinstance(layer, nn.Conv2d) or scale is None or _is_depthwise(layer):
            continue
        largest = LARGEST_LEVEL / _LEVELS * scale.detach().abs()
        with torch.no_grad():
            bounded = torch.minimum(torch.maximum(layer.weight, -largest), largest)
            moved += int((bounded != layer.weight).sum())
            layer.weight.copy_(bounded)
    return moved


def _is_depthwise(layer: nn.Conv2d) -> bool:
    return layer.groups > 1 and layer.groups == layer.in_channels
