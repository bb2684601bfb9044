"""The operations of Core ML's ML Program as torch functions, one each.

Their defaults are those that MIL gives them.

Source: the operation reference of coremltools (`converters/mil/mil/ops/defs`). Tensors are float32
or integers here; the evaluator rounds each result to the type that the program declares. A
parameter that a function does not name is one that it does not implement, and the evaluator refuses
the program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gazeclip.errors import StageError

Operation = Callable[..., Any]
OPERATIONS: dict[str, Operation] = {}


def _register_operation(function: Operation) -> Operation:
    OPERATIONS[function.__name__.rstrip("_")] = function
    return function


def _as_ints(value: Tensor | Sequence[int] | int) -> list[int]:
    return [int(item) for item in torch.as_tensor(value).flatten()]


def _broadcast_along(value: Tensor, axis: int, rank: int) -> Tensor:
    """A scalar as it is, a vector shaped to broadcast along `axis` of a tensor of `rank`."""
    if value.ndim == 0:
        return value
    shape = [1] * rank
    shape[axis] = -1
    return value.reshape(shape)


def _pad_image(x: Tensor, pad_type: str, pad: Tensor | None, fill: float = 0.0) -> Tensor:
    """An image `(B, C, H, W)` padded as a window operation wants it."""
    if pad_type == "valid" or (pad_type == "custom" and pad is None):
        return x
    if pad_type != "custom":
        raise StageError(
            f"the Core ML evaluator does not know pad_type '{pad_type}'",
            remedy="Export with static padding",
        )
    # MIL's order; torch wants the last axis first.
    top, bottom, left, right = _as_ints(pad)  # type: ignore[arg-type]
    return F.pad(x, (left, right, top, bottom), value=fill)


@_register_operation
def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Tensor = torch.ones(2),  # noqa: B008
    pad_type: str = "valid",
    pad: Tensor | None = None,
    dilations: Tensor = torch.ones(2),  # noqa: B008
    groups: Tensor = torch.ones(()),  # noqa: B008
) -> Tensor:
    x = _pad_image(x, pad_type, pad)
    return F.conv2d(
        x, weight, bias, stride=_as_ints(strides), dilation=_as_ints(dilations), groups=int(groups)
    )


@_register_operation
def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: Tensor | float = 1e-5,
) -> Tensor:
    return F.batch_norm(x, mean, variance, gamma, beta, eps=float(epsilon))


@_register_operation
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(x, weight, bias)


@_register_operation
def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    return (x.mT if transpose_x else x) @ (y.mT if transpose_y else y)


@_register_operation
def max_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    padded = _pad_image(x, pad_type, pad, fill=float("-inf"))
    return F.max_pool2d(
        padded, _as_ints(kernel_sizes), _as_ints(strides), ceil_mode=bool(ceil_mode)
    )


@_register_operation
def avg_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Tensor:
    if bool(exclude_padding_from_average) and pad is not None and any(_as_ints(pad)):
        ones = F.avg_pool2d(
            _pad_image(torch.ones_like(x), pad_type, pad),
            _as_ints(kernel_sizes),
            _as_ints(strides),
        )
        return (
            F.avg_pool2d(_pad_image(x, pad_type, pad), _as_ints(kernel_sizes), _as_ints(strides))
            / ones
        )
    padded = _pad_image(x, pad_type, pad)
    return F.avg_pool2d(
        padded, _as_ints(kernel_sizes), _as_ints(strides), ceil_mode=bool(ceil_mode)
    )


@_register_operation
def pad(
    x: Tensor, pad: Tensor, mode: str = "constant", constant_val: Tensor | float = 0.0
) -> Tensor:
    if mode != "constant":
        raise StageError(
            f"the Core ML evaluator does not know pad mode '{mode}'",
            remedy="Export with zero padding",
        )
    pairs = torch.as_tensor(pad).reshape(-1, 2)  # of the last axes, in their order
    return F.pad(x, _as_ints(pairs.flip(0)), value=float(constant_val))


# Quantization


@_register_operation
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


@_register_operation
def dequantize(
    input: Tensor, scale: Tensor, zero_point: Tensor | None = None, axis: Tensor | int = 0
) -> Tensor:
    zero = _broadcast_along(
        torch.zeros(()) if zero_point is None else zero_point, int(axis), input.ndim
    ).float()
    return (input.float() - zero) * _broadcast_along(scale, int(axis), input.ndim)


@_register_operation
def constexpr_affine_dequantize(
    quantized_data: Tensor, scale: Tensor, zero_point: Tensor, axis: Tensor
) -> Tensor:
    return dequantize(quantized_data, scale, zero_point, axis)


# Element by element

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


@_register_operation
def clip(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return x.clamp(float(alpha), float(beta))


@_register_operation
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    if mode not in ("EXACT", "TANH_APPROXIMATION"):
        raise StageError(
            f"the Core ML evaluator does not know gelu mode '{mode}'",
            remedy="Export with exact GELU",
        )
    return F.gelu(x, approximate="none" if mode == "EXACT" else "tanh")


@_register_operation
def log(x: Tensor, epsilon: Tensor | float = 1e-45) -> Tensor:
    return torch.log(x + float(epsilon))


@_register_operation
def rsqrt(x: Tensor, epsilon: Tensor | float = 1e-12) -> Tensor:
    return torch.rsqrt(x + float(epsilon))


@_register_operation
def softmax(x: Tensor, axis: Tensor | int = -1) -> Tensor:
    return torch.softmax(x, dim=int(axis))


@_register_operation
def cast(x: Tensor, dtype: str) -> Tensor:
    # Floats stay float32 here; the evaluator rounds them to the declared type.
    return x.to(torch.int32) if dtype.startswith(("int", "uint")) else x.float()


# Reductions

_REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "reduce_log_sum_exp": torch.logsumexp,
    "reduce_max": torch.amax,
    "reduce_mean": torch.mean,
    "reduce_sum": torch.sum,
}


def _make_reduction(function: Callable[..., Tensor]) -> Operation:
    def reduce(x: Tensor, axes: Tensor | None = None, keep_dims: bool = False) -> Tensor:
        dims = list(range(x.ndim)) if axes is None else _as_ints(axes)
        return function(x, dim=dims, keepdim=bool(keep_dims))

    return reduce


OPERATIONS.update({name: _make_reduction(function) for name, function in _REDUCTIONS.items()})


# Shapes


@_register_operation
def reshape(x: Tensor, shape: Tensor) -> Tensor:
    wanted = [x.shape[place] if size == 0 else size for place, size in enumerate(_as_ints(shape))]
    return x.reshape(wanted)


@_register_operation
def transpose(x: Tensor, perm: Tensor) -> Tensor:
    return x.permute(_as_ints(perm))


@_register_operation
def expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    rank = x.ndim + len(_as_ints(axes))
    for axis in sorted(item % rank for item in _as_ints(axes)):
        x = x.unsqueeze(axis)
    return x


@_register_operation
def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(tuple(_as_ints(axes)))


@_register_operation
def concat(values: list[Tensor], axis: Tensor, interleave: bool = False) -> Tensor:
    if bool(interleave):
        raise StageError(
            "the Core ML evaluator does not know interleaved concat", remedy="Export without it"
        )
    return torch.cat(values, dim=int(axis))


@_register_operation
def split(
    x: Tensor, axis: Tensor, num_splits: Tensor | None = None, split_sizes: Tensor | None = None
) -> tuple[Tensor, ...]:
    if split_sizes is not None:
        return torch.split(x, _as_ints(split_sizes), dim=int(axis))
    return torch.chunk(x, int(num_splits), dim=int(axis))  # type: ignore[arg-type]


@_register_operation
def slice_by_size(x: Tensor, begin: Tensor, size: Tensor) -> Tensor:
    for axis, (start, length) in enumerate(zip(_as_ints(begin), _as_ints(size), strict=True)):
        x = x.narrow(axis, start, x.shape[axis] - start if length == -1 else length)
    return x


@_register_operation
def slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    count = len(_as_ints(begin))
    no_mask = torch.zeros(count)
    from_start = no_mask if begin_mask is None else begin_mask
    to_end = no_mask if end_mask is None else end_mask
    is_single = no_mask if squeeze_mask is None else squeeze_mask
    steps = [1] * count if stride is None else _as_ints(stride)
    if any(step < 1 for step in steps):
        raise StageError(
            "the Core ML evaluator does not know backward slices", remedy="Export without them"
        )
    index: list[Any] = []
    for axis, (start, stop) in enumerate(zip(_as_ints(begin), _as_ints(end), strict=True)):
        if is_single[axis]:
            index.append(start)
            continue
        # A masked limit is the tensor's own.
        first = None if from_start[axis] else start
        last = None if to_end[axis] else stop
        index.append(slice(first, last, steps[axis]))
    return x[tuple(index)]
