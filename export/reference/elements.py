"""Operations on each element by itself, and softmax, which keeps the shape likewise."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from export.reference.table import OPERATIONS, register_operation
from gazeclip.errors import StageError

_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "erf": torch.erf,
    "exp": torch.exp,
    "identity": lambda x: x,
    "relu": torch.relu,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tanh": torch.tanh,
}
_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "mul": torch.mul,
    "pow": torch.pow,
    "real_div": torch.div,
    "sub": torch.sub,
}
for _name, _function in _UNARY.items():
    OPERATIONS[_name] = lambda x, _function=_function: _function(x)
for _name, _pair in _BINARY.items():
    OPERATIONS[_name] = lambda x, y, _pair=_pair: _pair(torch.as_tensor(x), torch.as_tensor(y))


@register_operation
def clip(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return x.clamp(float(alpha), float(beta))


@register_operation
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    if mode not in ("EXACT", "TANH_APPROXIMATION"):
        raise StageError(
            f"the Core ML evaluator does not know gelu mode '{mode}'",
            remedy="Export with exact GELU",
        )
    return F.gelu(x, approximate="none" if mode == "EXACT" else "tanh")


@register_operation
def log(x: Tensor, epsilon: Tensor | float = 1e-45) -> Tensor:
    return torch.log(x + float(epsilon))


@register_operation
def rsqrt(x: Tensor, epsilon: Tensor | float = 1e-12) -> Tensor:
    return torch.rsqrt(x + float(epsilon))


@register_operation
def softmax(x: Tensor, axis: Tensor | int = -1) -> Tensor:
    return torch.softmax(x, dim=int(axis))


@register_operation
def cast(x: Tensor, dtype: str) -> Tensor:
    # Floats stay float32 here; the evaluator rounds them to the declared type.
    return x.to(torch.int32) if dtype.startswith(("int", "uint")) else x.float()
