"""Operations of Core ML with inputs, and what a formula in NumPy makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1, 4, 6, 5)).astype(np.float32)
Y = RNG.normal(size=(1, 4, 6, 5)).astype(np.float32)
ABOVE_ZERO = np.abs(X) + np.float32(0.1)
SCALE = np.float32([0.5, 0.25, 1.0, 2.0])
ZERO = np.int8([0, -3, 5, 100])
LEVELS = np.arange(-24, 24, dtype=np.int8).reshape(1, 4, 2, 6)


@dataclass(frozen=True)
class Case:
    """An operation, its inputs by MIL's names, and what its formula says of them."""

    name: str
    inputs: dict[str, Any]
    wanted: Any  # an array, or one for each output


def along(values: np.ndarray) -> np.ndarray:
    """One value for each channel of `X`."""
    return values.astype(np.float64)[:, None, None]


def erf(x: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.vectorize(math.erf)(x)
    return found


def list_elementwise() -> list[Case]:
    unary = {
        "abs": np.abs(X),
        "erf": erf(X),
        "exp": np.exp(X),
        "identity": X,
        "relu": np.maximum(X, 0),
        "sigmoid": 1 / (1 + np.exp(-X)),
        "silu": X / (1 + np.exp(-X)),
        "square": X * X,
        "tanh": np.sinh(X) / np.cosh(X),
    }
    binary = {
        "add": X + Y,
        "maximum": np.where(X > Y, X, Y),
        "minimum": np.where(X > Y, Y, X),
        "mul": X * Y,
        "real_div": X / Y,
        "sub": X - Y,
    }
    cubic = np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)
    return [
        *(Case(name, {"x": X}, wanted) for name, wanted in unary.items()),
        *(Case(name, {"x": X, "y": Y}, wanted) for name, wanted in binary.items()),
        Case("mul", {"x": X, "y": np.float32([[[[3]]]])}, X * 3),
        Case("pow", {"x": ABOVE_ZERO, "y": Y}, np.exp(Y * np.log(ABOVE_ZERO))),
        Case("relu6", {"x": X * 9}, np.clip(X * 9, 0, 6)),
        Case("sqrt", {"x": ABOVE_ZERO}, np.sqrt(ABOVE_ZERO)),
        Case("log", {"x": ABOVE_ZERO}, np.log(ABOVE_ZERO)),
        Case("log", {"x": ABOVE_ZERO, "epsilon": np.float32(0.5)}, np.log(ABOVE_ZERO + 0.5)),
        Case("rsqrt", {"x": ABOVE_ZERO}, 1 / np.sqrt(ABOVE_ZERO)),
        Case("rsqrt", {"x": ABOVE_ZERO, "epsilon": np.float32(0.5)}, 1 / np.sqrt(ABOVE_ZERO + 0.5)),
        Case(
            "clip",
            {"x": X, "alpha": np.float32(0), "beta": np.float32(0.7)},
            np.minimum(np.maximum(X, 0), 0.7),
        ),
        Case("gelu", {"x": X, "mode": "EXACT"}, X * 0.5 * (1 + erf(X / np.sqrt(2)))),
        Case("gelu", {"x": X, "mode": "TANH_APPROXIMATION"}, X * 0.5 * (1 + np.tanh(cubic))),
        Case("softmax", {"x": X, "axis": np.int32(1)}, np.exp(X) / np.exp(X).sum(1, keepdims=True)),
        Case("cast", {"x": X * 9, "dtype": "int32"}, np.trunc(X * 9)),
        Case("cast", {"x": np.int32([[-3, 7]]), "dtype": "fp32"}, np.float32([[-3, 7]])),
    ]


def list_quantization() -> list[Case]:
    zero = along(ZERO)
    ports = {"scale": SCALE, "axis": np.int32(1)}
    halves = X.astype(np.float16)
    # Blocks of 2 x 3 elements.
    block = np.ones((2, 3))
    scales = np.float32([[0.5, 2.0], [0.25, 1.0]])
    offsets = np.int8([[0, -3], [5, 100]])
    levels = np.arange(24, dtype=np.int8).reshape(4, 6)
    stored = {"data": levels, "scale": scales}
    return [
        Case(
            "quantize",
            {**ports, "input": X * 20, "zero_point": ZERO, "output_dtype": "int8"},
            np.clip(np.rint(X * 20 / along(SCALE)) + zero, -128, 127),
        ),
        Case(
            "quantize",
            {"input": X * 20, "scale": np.float32(0.25), "output_dtype": "uint8"},
            np.clip(np.rint(X * 20 / 0.25), 0, 255),
        ),
        Case(
            "dequantize",
            {**ports, "input": LEVELS, "zero_point": ZERO},
            (LEVELS - zero) * along(SCALE),
        ),
        Case("dequantize", {"input": LEVELS, "scale": np.float32(0.25)}, LEVELS * 0.25),
        Case(
            "constexpr_affine_dequantize",
            {
                "quantized_data": LEVELS[0, :, 0],
                "scale": SCALE,
                "zero_point": np.int8(3),
                "axis": np.int32(0),
            },
            (LEVELS[0, :, 0] - 3.0) * SCALE[:, None],
        ),
        Case("constexpr_blockwise_shift_scale", stored, levels * np.kron(scales, block)),
        Case(
            "constexpr_blockwise_shift_scale",
            {**stored, "offset": offsets},
            (levels - np.kron(offsets.astype(float), block)) * np.kron(scales, block),
        ),
        Case(
            "constexpr_cast",
            {"source_val": halves, "output_dtype": "fp32"},
            halves.astype(np.float32),
        ),
    ]


def list_shapes() -> list[Case]:
    reductions = {
        "reduce_log_sum_exp": lambda axes, keep: np.log(np.exp(X).sum(axes, keepdims=keep)),
        "reduce_max": lambda axes, keep: X.max(axes, keepdims=keep),
        "reduce_mean": lambda axes, keep: X.astype(float).mean(axes, keepdims=keep),
        "reduce_sum": lambda axes, keep: X.astype(float).sum(axes, keepdims=keep),
    }
    cases = []
    for name, reduce in reductions.items():
        one = {"x": X, "axes": np.int32([-1]), "keep_dims": np.bool_(True)}
        cases.append(Case(name, one, reduce(-1, True)))
        two = {"x": X, "axes": np.int32([2, 1]), "keep_dims": np.bool_(False)}
        cases.append(Case(name, two, reduce((1, 2), False)))
        everything = {"x": X, "keep_dims": np.bool_(True)}
        cases.append(Case(name, everything, reduce(None, True)))
    edge = {"x": X, "begin": np.int32([0, 1, 0, 2]), "end": np.int32([0, 3, 6, 0])}
    masks = {
        "stride": np.int32([1, 1, 2, 1]),
        "begin_mask": np.bool_([False, True, False, False]),
        "end_mask": np.bool_([True, False, False, True]),
        "squeeze_mask": np.bool_([True, False, False, False]),
    }
    plain = {"begin": np.int32([0, -3, 1, 0]), "end": np.int32([1, -1, 6, 4])}
    axis = np.int32(-1)
    return [
        *cases,
        Case("reshape", {"x": X, "shape": np.int32([0, 0, -1, 5])}, X),
        # A zero is the size that lies as far from the last one.
        Case("reshape", {"x": X, "shape": np.int32([0, -1])}, X.reshape(6, 20)),
        Case(
            "reshape",
            {"x": X[0, 0], "shape": np.int32([0, 3, -1, 0])},
            X[0, 0].reshape(1, 3, 2, 5),
        ),
        Case("transpose", {"x": X, "perm": np.int32([0, 2, 3, 1])}, np.moveaxis(X, 1, -1)),
        Case("expand_dims", {"x": X[0], "axes": np.int32([0, 4])}, X[0][None, ..., None]),
        Case("expand_dims", {"x": X[0], "axes": np.int32([-1])}, X[0][..., None]),
        Case("squeeze", {"x": X[:, :1], "axes": np.int32([0])}, X[0, :1]),
        Case("squeeze", {"x": X[:, :1]}, X[0, 0]),
        Case(
            "concat",
            {"values": (X, Y[..., :2]), "axis": axis},
            np.dstack([X[0], Y[0, ..., :2]])[None],
        ),
        Case(
            "split", {"x": X, "axis": np.int32(1), "num_splits": np.int32(2)}, (X[:, :2], X[:, 2:])
        ),
        Case(
            "split",
            {"x": X, "axis": axis, "split_sizes": np.int32([1, 3, 1])},
            (X[..., :1], X[..., 1:4], X[..., 4:]),
        ),
        Case(
            "slice_by_size",
            {"x": X, "begin": np.int32([0, 1, 2, 0]), "size": np.int32([1, 2, -1, 3])},
            X[0:1, 1:3, 2:6, 0:3],
        ),
        Case("slice_by_index", {**edge, **masks}, X[0, :3, 0:6:2, 2:]),
        Case("slice_by_index", {"x": X, **plain}, X[:, 1:3, 1:6, :4]),
    ]


def list_products() -> list[Case]:
    bias = np.arange(6, dtype=np.float32)
    a, b = X[0, 0], Y[0, 1]  # (6, 5) each
    return [
        Case("linear", {"x": a, "weight": b}, np.einsum("ik,jk->ij", a, b)),
        Case("linear", {"x": a, "weight": b, "bias": bias}, np.einsum("ik,jk->ij", a, b) + bias),
        Case(
            "matmul", {"x": X, "y": Y[..., :5, :]}, np.einsum("bcik,bckj->bcij", X, Y[..., :5, :])
        ),
        Case(
            "matmul",
            {"x": X, "y": Y, "transpose_y": np.bool_(True)},
            np.einsum("bcik,bcjk->bcij", X, Y),
        ),
        Case(
            "matmul",
            {"x": X, "y": Y, "transpose_x": np.bool_(True)},
            np.einsum("bcki,bckj->bcij", X, Y),
        ),
    ]
