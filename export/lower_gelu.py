"""A quantizer before each GELU, for engines whose integer convolutions give integers only.

NNCF places none there: elsewhere a convolution of integers may give floats, and GELU's result is
rounded anyway. TFLite would compute such a convolution in float. No image is needed for the range:
what lies outside of it makes no difference to the result, which has a quantizer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

import torch
from torch import nn

from export.frozen import INT8, FrozenFakeQuantize

_AFTER_GELU = re.compile(r"post_hooks\.(?P<operation>.*\bgelu/\d+)__0\.\d+")
_LOWEST = -8.0  # GELU of less is 0 in float32


def quantize_before_gelu(encoder: nn.Module) -> None:
    """Give every GELU of a frozen encoder with NNCF's hooks a quantizer for its input, in place."""
    from nncf.torch.function_hook.wrapper import get_hook_storage, register_pre_function_hook

    for operation, low, high in list(_find_ranges(get_hook_storage(encoder).named_hooks())):
        lowest, highest = INT8
        # One level fewer than there are, so that with a whole zero-point both ends are covered.
        scale = (high - low) / (highest - lowest - 1)
        zero = math.ceil(lowest - low / scale)
        quantizer = FrozenFakeQuantize(
            torch.tensor([scale]), torch.tensor([zero]), INT8, None, "decomposed"
        )
        register_pre_function_hook(encoder, operation, 0, quantizer)


def _find_ranges(hooks: Iterable[tuple[str, nn.Module]]) -> Iterator[tuple[str, float, float]]:
    """Operation, and from where to where its input matters, by the quantizer of its output."""
    for name, module in hooks:
        match = _AFTER_GELU.fullmatch(name)
        if match is not None and isinstance(module, FrozenFakeQuantize):
            step = module.scalar_scale
            top = (module.limits[1] - module.scalar_zero) * step
            yield match["operation"], find_low_end(step), max(top, step)


def find_low_end(step: float) -> float:
    """Below this GELU rounds to 0 in steps of `step`; by bisection, as it falls from there on."""
    low = _LOWEST
    high = -math.sqrt(2) / 2  # a little right of GELU's minimum at -0.7518
    if -_gelu(high) <= step / 2:
        return high
    for _ in range(40):
        middle = (low + high) / 2
        if -_gelu(middle) <= step / 2:
            low = middle
        else:
            high = middle
    return low


def _gelu(x: float) -> float:
    return x * 0.5 * math.erfc(-x / math.sqrt(2))
