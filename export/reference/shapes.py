"""Operations that change a tensor's shape: reductions, and those that move or drop elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from export.reference.table import OPERATIONS, Operation, read_ints, register_operation
from gazeclip.errors import StageError

_REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "reduce_log_sum_exp": torch.logsumexp,
    "reduce_max": torch.amax,
    "reduce_mean": torch.mean,
    "reduce_sum": torch.sum,
}


def _make_reduction(function: Callable[..., Tensor]) -> Operation:
    def reduce(x: Tensor, axes: Tensor | None = None, keep_dims: bool = False) -> Tensor:
        dims = list(range(x.ndim)) if axes is None else read_ints(axes)
        return function(x, dim=dims, keepdim=bool(keep_dims))

    return reduce


OPERATIONS.update({name: _make_reduction(function) for name, function in _REDUCTIONS.items()})


@register_operation
def reshape(x: Tensor, shape: Tensor) -> Tensor:
    # A zero stands for the size that lies as far from the last one, and for 1 where there is none.
    sizes = read_ints(shape)
    own = [1] * len(sizes) + list(x.shape)
    wanted = [size or kept for size, kept in zip(sizes, own[-len(sizes) :], strict=True)]
    return x.reshape(wanted)


@register_operation
def transpose(x: Tensor, perm: Tensor) -> Tensor:
    return x.permute(read_ints(perm))


@register_operation
def expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    rank = x.ndim + len(read_ints(axes))
    for axis in sorted(item % rank for item in read_ints(axes)):
        x = x.unsqueeze(axis)
    return x


@register_operation
def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(tuple(read_ints(axes)))


@register_operation
def concat(values: list[Tensor], axis: Tensor, interleave: bool = False) -> Tensor:
    if bool(interleave):
        raise StageError(
            "the Core ML evaluator does not know interleaved concat", remedy="Export without it"
        )
    return torch.cat(values, dim=int(axis))


@register_operation
def split(
    x: Tensor, axis: Tensor, num_splits: Tensor | None = None, split_sizes: Tensor | None = None
) -> tuple[Tensor, ...]:
    if split_sizes is not None:
        return torch.split(x, read_ints(split_sizes), dim=int(axis))
    return torch.chunk(x, int(num_splits), dim=int(axis))  # type: ignore[arg-type]


@register_operation
def slice_by_size(x: Tensor, begin: Tensor, size: Tensor) -> Tensor:
    for axis, (start, length) in enumerate(zip(read_ints(begin), read_ints(size), strict=True)):
        x = x.narrow(axis, start, x.shape[axis] - start if length == -1 else length)
    return x


@register_operation
def slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    count = len(read_ints(begin))
    no_mask = torch.zeros(count)
    from_start = no_mask if begin_mask is None else begin_mask
    to_end = no_mask if end_mask is None else end_mask
    is_single = no_mask if squeeze_mask is None else squeeze_mask
    steps = [1] * count if stride is None else read_ints(stride)
    if any(step < 1 for step in steps):
        raise StageError(
            "the Core ML evaluator does not know backward slices", remedy="Export without them"
        )
    index: list[Any] = []
    for axis, (start, stop) in enumerate(zip(read_ints(begin), read_ints(end), strict=True)):
        if is_single[axis]:
            index.append(start)
            continue
        # A masked limit is the tensor's own.
        first = None if from_start[axis] else start
        last = None if to_end[axis] else stop
        index.append(slice(first, last, steps[axis]))
    return x[tuple(index)]
