"""Parameters and multiplications of a student, counted while it computes one image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def count_parameters(model: nn.Module) -> int:
    """Trained values, each once however many layers share it; a text bank is none of them."""
    return sum(values.numel() for values in model.parameters())


@torch.no_grad()
def count_macs(model: nn.Module, image: Tensor) -> int:
    """Multiplications with an addition in convolutions, linear layers, attention and `@`.

    Norms, activations and sums of two branches are not counted, as is usual.

    Args:
        image: what `model` takes, of batch 1.
    """
    with _Counter() as counter:
        model(image)
    return counter.macs


class _Counter(TorchFunctionMode):
    """Looks at each call's shapes; what a counted function calls inside is not seen again."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        count = _COUNTS.get(func)
        if count is not None:
            self.macs += count(result, *args, **(kwargs or {}))
        return result


def _count_convolution(result: Tensor, _: Tensor, weight: Tensor, *__: Any, **___: Any) -> int:
    # weight: (Cout, Cin / groups, kh, kw): every value of the result is a sum over all but Cout.
    return result.numel() * math.prod(weight.shape[1:])


def _count_linear(result: Tensor, _: Tensor, weight: Tensor, *__: Any, **___: Any) -> int:
    return result.numel() * weight.shape[1]


def _count_product(result: Tensor, left: Tensor, *_: Any, **__: Any) -> int:
    return result.numel() * left.shape[-1]


def _count_attention(
    result: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any
) -> int:
    # (B, heads, L, E) by (B, heads, S, E), then (.., L, S) by (.., S, Ev)
    pairs = math.prod(query.shape[:-1]) * key.shape[-2]
    return pairs * (query.shape[-1] + value.shape[-1])


_COUNTS: dict[Any, Callable[..., int]] = {
    F.conv2d: _count_convolution,
    F.linear: _count_linear,
    torch.matmul: _count_product,
    torch.bmm: _count_product,
    Tensor.matmul: _count_product,
    Tensor.__matmul__: _count_product,
    F.scaled_dot_product_attention: _count_attention,
}
