"""Operations that slide a window over an image, and matrix products; images are `(B, C, H, W)`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from export.reference.table import read_ints, register_operation
from gazeclip.errors import StageError


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
    top, bottom, left, right = read_ints(pad)  # type: ignore[arg-type]
    return F.pad(x, (left, right, top, bottom), value=fill)


@register_operation
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
        x,
        weight,
        bias,
        stride=read_ints(strides),
        dilation=read_ints(dilations),
        groups=int(groups),
    )


@register_operation
def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: Tensor | float = 1e-5,
) -> Tensor:
    return F.batch_norm(x, mean, variance, gamma, beta, eps=float(epsilon))


@register_operation
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(x, weight, bias)


@register_operation
def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    return (x.mT if transpose_x else x) @ (y.mT if transpose_y else y)


@register_operation
def max_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    window = (read_ints(kernel_sizes), read_ints(strides))
    if bool(ceil_mode):
        return F.max_pool2d(x, *window, _read_even_padding(pad_type, pad), ceil_mode=True)
    return F.max_pool2d(_pad_image(x, pad_type, pad, fill=float("-inf")), *window)


@register_operation
def avg_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Tensor:
    window = (read_ints(kernel_sizes), read_ints(strides))
    leave_out = bool(exclude_padding_from_average)
    if bool(ceil_mode):
        even = _read_even_padding(pad_type, pad)
        return F.avg_pool2d(x, *window, even, ceil_mode=True, count_include_pad=not leave_out)
    found = F.avg_pool2d(_pad_image(x, pad_type, pad), *window)
    if leave_out:
        found = found / F.avg_pool2d(_pad_image(torch.ones_like(x), pad_type, pad), *window)
    return found


def _read_even_padding(pad_type: str, pad: Tensor | None) -> list[int]:
    """Rows above as below and columns on both sides, as MIL wants it where sizes are rounded up.

    torch has to know of them: no window may begin in the padding behind the image.
    """
    if pad_type == "valid" or pad is None:
        return [0, 0]
    top, bottom, left, right = read_ints(pad)
    if pad_type != "custom" or top != bottom or left != right:
        raise StageError(
            f"the Core ML evaluator does not know ceil_mode with pad_type '{pad_type}' and "
            f"padding of {top}, {bottom}, {left} and {right}",
            remedy="Export with even padding",
        )
    return [top, left]


@register_operation
def pad(
    x: Tensor, pad: Tensor, mode: str = "constant", constant_val: Tensor | float = 0.0
) -> Tensor:
    if mode != "constant":
        raise StageError(
            f"the Core ML evaluator does not know pad mode '{mode}'",
            remedy="Export with zero padding",
        )
    pairs = torch.as_tensor(pad).reshape(-1, 2)  # of the last axes, in their order
    return F.pad(x, read_ints(pairs.flip(0)), value=float(constant_val))
