"""The same for operations that slide a window over an image, by loops over its places."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from tests.export.reference.cases import RNG, SCALE, Case, X, along


def convolve(
    x: np.ndarray, w: np.ndarray, strides: list[int], dilations: list[int], groups: int
) -> np.ndarray:
    """A convolution without padding, one product of a patch and a filter after the other."""
    reach = [(size - 1) * step + 1 for size, step in zip(w.shape[2:], dilations, strict=True)]
    height, width = (
        (size - own) // step + 1
        for size, own, step in zip(x.shape[2:], reach, strides, strict=True)
    )
    out = np.zeros((x.shape[0], w.shape[0], height, width))
    filters = w.shape[0] // groups
    for channel, i, j in product(range(w.shape[0]), range(height), range(width)):
        first = channel // filters * w.shape[1]
        top = i * strides[0]
        left = j * strides[1]
        rows = slice(top, top + reach[0], dilations[0])
        columns = slice(left, left + reach[1], dilations[1])
        patch = x[:, first : first + w.shape[1], rows, columns].astype(np.float64)
        out[:, channel, i, j] = (patch * w[channel]).sum((1, 2, 3))
    return out


def pad_image(x: np.ndarray, amounts: list[int], value: float = 0.0) -> np.ndarray:
    """Rows above and below, columns to the left and to the right."""
    top, bottom, left, right = amounts
    return np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)], constant_values=value)


def pool(
    x: np.ndarray, kernel: int, stride: int, amounts: list[int], ceil: bool, reduce: Any
) -> np.ndarray:
    """`reduce` of each window's pixels, an array `(B, C, h, w)` in which padding is NaN.

    By MIL's rule a window more begins where `ceil` asks for it, unless that would be in the padding
    behind the image; what lies beyond the padding is no pixel of any window.
    """
    padded = pad_image(x, amounts, math.nan)
    counts = []
    for size, before, total in zip(x.shape[2:], amounts[::2], padded.shape[2:], strict=True):
        count = (total - kernel) / stride + 1
        count = math.ceil(count) if ceil else math.floor(count)
        if ceil and (count - 1) * stride >= size + before:
            count -= 1
        counts.append(count)
    out = np.zeros((*x.shape[:2], *counts))
    for i, j in product(range(counts[0]), range(counts[1])):
        rows = slice(i * stride, i * stride + kernel)
        columns = slice(j * stride, j * stride + kernel)
        out[:, :, i, j] = reduce(padded[:, :, rows, columns])
    return out


def average_with_padding(window: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.nan_to_num(window).mean((2, 3))
    return found


def largest(window: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.nanmax(window, axis=(2, 3))
    return found


def average(window: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.nanmean(window, axis=(2, 3))
    return found


def list_windows() -> list[Case]:
    one = RNG.normal(size=(8, 4, 3, 3)).astype(np.float32)
    per_group = {2: one[:, :2], 4: one[:, :1]}
    uneven = {"pad_type": "custom", "pad": np.int32([0, 1, 2, 0]), "strides": np.int32([2, 1])}
    padded = pad_image(X, [0, 1, 2, 0])
    bias = np.arange(8, dtype=np.float32)
    apart = {"pad_type": "valid", "dilations": np.int32([2, 1]), "strides": np.int32([1, 2])}
    cases = [
        Case("conv", {"x": X, "weight": one, **uneven}, convolve(padded, one, [2, 1], [1, 1], 1)),
        Case(
            "conv",
            {"x": X, "weight": one, "bias": bias, **apart},
            convolve(X, one, [1, 2], [2, 1], 1) + bias[:, None, None],
        ),
    ]
    for groups, weight in per_group.items():
        inputs = {"x": X, "weight": weight, "groups": np.int32(groups), **uneven}
        cases.append(Case("conv", inputs, convolve(padded, weight, [2, 1], [1, 1], groups)))
    spread = along(SCALE) + 1
    statistics = {"x": X, "mean": SCALE, "variance": SCALE + 1}
    learnt = {"gamma": SCALE * 3, "beta": -SCALE, "epsilon": np.float32(0.01)}
    shifted = (X - along(SCALE)) / np.sqrt(spread + 0.01)
    return [
        *cases,
        *list_pools(),
        Case("batch_norm", statistics, (X - along(SCALE)) / np.sqrt(spread + 1e-5)),
        Case("batch_norm", statistics | learnt, shifted * along(SCALE) * 3 - along(SCALE)),
        Case("pad", {"x": X, "pad": np.int32([1, 0, 0, 2])}, pad_image(X, [1, 0, 0, 2])),
        Case(
            "pad",
            {
                "x": X,
                "pad": np.int32([0, 0, 0, 1, 1, 0, 0, 2]),
                "mode": "constant",
                "constant_val": np.float32(7),
            },
            np.pad(X, [(0, 0), (0, 1), (1, 0), (0, 2)], constant_values=7),
        ),
    ]


def list_pools() -> list[Case]:
    """Windows of 2 and 3 pixels; X is 6 x 5, so that some are cut by the edge where `ceil` asks."""
    cases = []
    for kernel, stride, amounts, ceil in (
        (2, 2, [1, 1, 0, 1], False),
        (3, 2, [1, 1, 1, 1], True),
        (2, 2, [0, 0, 0, 0], True),
        (3, 3, [1, 1, 1, 1], True),  # the last column would begin behind the image
    ):
        inputs = {
            "x": X,
            "kernel_sizes": np.int32([kernel, kernel]),
            "strides": np.int32([stride, stride]),
            "pad_type": "custom",
            "pad": np.int32(amounts),
            "ceil_mode": np.bool_(ceil),
        }
        size = (kernel, stride, amounts, ceil)
        cases.append(Case("max_pool", inputs, pool(X, *size, largest)))
        left_out = inputs | {"exclude_padding_from_average": np.bool_(True)}
        cases.append(Case("avg_pool", left_out, pool(X, *size, average)))
        cases.append(Case("avg_pool", inputs, pool(X, *size, average_with_padding)))
    return cases
