"""Core ML packages through the reference evaluator against PyTorch.

And the evaluator's operations against NumPy.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from export.job import ExportJob
from export.reference import evaluator
from export.reference.evaluator import evaluate, load_program, run_function
from export.reference.operations import OPERATIONS
from export.targets import coreml as target
from export.targets.coreml_padding import register_padding_pass
from gazeclip.bundle.layout import Precision
from gazeclip.errors import ArtifactError, ConfigError, StageError
from gazeclip.recipe.stages import CoreMlOptions
from quantize.encoder import count_quantizers
from tests.collecting import skip_without

skip_without("coremltools")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8", "int8"])
def test_package_matches_pytorch(
    job: Any,
    images: np.ndarray,
    expected: Any,
    quantized: torch.nn.Module,
    check: Any,
    tmp_path: Path,
    precision: str,
) -> None:
    result = target.export(job(precision))
    check(evaluate(tmp_path / result["model"], images), expected[precision], precision)
    # Reading takes seconds, and opening a package rewrites a file of it.
    read_before = evaluator._prepare_program.cache_info().misses
    check(evaluate(tmp_path / result["model"], images), expected[precision], precision)
    assert evaluator._prepare_program.cache_info().misses == read_before
    notes = result["notes"]
    count = count_quantizers(quantized)["convolutions"]
    assert count > 20
    assert notes["quantized_convolutions"] == (count if precision == "int8" else 0)
    if precision == "int8":
        # int8 weights in the file
        assert notes["operations"]["constexpr_affine_dequantize"] == count
    spec = (
        __import__("coremltools")
        .models.MLModel(str(tmp_path / result["model"]), skip_model_load=True)
        .get_spec()
    )
    assert spec.description.input[0].type.imageType.width == 64
    assert '"diffusion"' in spec.description.metadata.userDefined["classes"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "system"),
    [
        ("fp32", None),
        ("fp16", "iOS15"),
        ("fp16", "iOS26"),
        ("w8", "macOS14"),
        ("int8", None),
        ("int8", "iOS18"),
    ],
)
def test_system_and_units_stand_in_the_file(
    job: Any,
    images: np.ndarray,
    expected: Any,
    quantized: torch.nn.Module,
    check: Any,
    tmp_path: Path,
    precision: Precision,
    system: str | None,
) -> None:
    """Later systems have other forms of some operations; the evaluator knows those as well."""
    import coremltools

    wanted = system or {"fp32": "iOS16", "int8": "iOS17"}[precision]
    options = CoreMlOptions(system, "cpu_and_ne")
    result = target.export(replace(job(precision), coreml=options))
    path = tmp_path / result["model"]
    spec = coremltools.models.MLModel(str(path), skip_model_load=True).get_spec()
    assert spec.specificationVersion == coremltools.target.__members__[wanted].value
    assert spec.description.metadata.userDefined["compute_units"] == "cpu_and_ne"
    assert result["notes"]["minimum_target"] == wanted
    assert result["notes"]["compute_units"] == "cpu_and_ne"
    count = count_quantizers(quantized)["convolutions"] if precision == "int8" else 0
    assert result["notes"]["quantized_convolutions"] == count
    check(evaluate(path, images), expected[precision], precision)


def test_a_system_that_is_too_old_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    nothing: Any = torch.nn.Identity()
    options = CoreMlOptions("macOS13")
    job = ExportJob(nothing, nothing, "int8", tmp_path, ("real", "fake"), 64, coreml=options)
    with pytest.raises(ConfigError, match="int8 needs iOS17 / macOS14, and macOS13 is older"):
        target.export(job)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_networks_that_pad_by_one_side_have_integer_convolutions_too(job_of: Any) -> None:
    notes = target.export(job_of("tf_efficientnet_lite0", "int8"))["notes"]
    assert (notes["quantized_convolutions"], notes["float_convolutions"]) == (54, 0)
    assert "pad" not in notes["operations"]


def test_damaged_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="not a Core ML package"):
        load_program(tmp_path / "model.mlpackage")
    package = tmp_path / "broken.mlpackage"
    package.mkdir()
    (package / "Manifest.json").write_text("{}")
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_program(package)


def _op(name: str, **inputs: Any) -> SimpleNamespace:
    """A stand-in for one MIL operation whose inputs are all constants."""
    constants = {key: SimpleNamespace(name=f"c_{key}", val=value) for key, value in inputs.items()}
    output = SimpleNamespace(name="y", dtype=SimpleNamespace(__name__="fp32"))
    return SimpleNamespace(op_type=name, inputs=constants, outputs=[output])


def _program(op: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(operations=[op], outputs=op.outputs)


def test_unknown_operation_and_parameter_are_refused() -> None:
    with pytest.raises(StageError, match="operation 'lstm'"):
        run_function(_program(_op("lstm", x=np.zeros(2, np.float32))), {})
    with pytest.raises(StageError, match="does not know colour of the operation 'relu'"):
        run_function(_program(_op("relu", x=np.zeros(2, np.float32), colour=np.int32(1))), {})


def test_results_are_rounded_to_the_declared_type() -> None:
    op = _op("mul", x=np.float32([1.0]), y=np.float32([1.0001]))
    op.outputs[0].dtype = SimpleNamespace(__name__="fp16")
    assert run_function(_program(op), {})["y"].item() == 1.0


def test_a_program_answers_each_image_as_if_it_were_the_first() -> None:
    """What depends on constants is computed once, and no image may change it."""
    constant = SimpleNamespace(name="c", val=np.float32([[1.0, -2.0]]))
    inner = _op("mul", x=np.float32([[3.0, 0.5]]), y=np.float32([[2.0, 2.0]]))
    inner.outputs[0] = SimpleNamespace(name="folded", dtype=SimpleNamespace(__name__="fp32"))
    folded = SimpleNamespace(name="folded", val=None)
    image = SimpleNamespace(name="image", val=None)
    axis = SimpleNamespace(name="axis", val=np.int32(1))
    interleave = SimpleNamespace(name="interleave", val=np.bool_(False))
    outer = _op("concat")
    outer.inputs = {"values": (constant, image, folded), "axis": axis, "interleave": interleave}
    program = evaluator.Program(SimpleNamespace(operations=[inner, outer], outputs=outer.outputs))
    for value in (5.0, 7.0, 5.0):
        found = program.run({"image": torch.tensor([[value]])})["y"]
        assert found.tolist() == [[1.0, -2.0, value, 6.0, 1.0]]


RNG = np.random.default_rng(0)
X = RNG.normal(size=(1, 4, 6, 5)).astype(np.float32)


def _conv_loop(
    x: np.ndarray, w: np.ndarray, strides: list[int], pad: list[int], groups: int
) -> np.ndarray:
    padded = np.pad(x, [(0, 0), (0, 0), (pad[0], pad[1]), (pad[2], pad[3])]).astype(np.float64)
    height = (padded.shape[2] - w.shape[2]) // strides[0] + 1
    width = (padded.shape[3] - w.shape[3]) // strides[1] + 1
    out = np.zeros((x.shape[0], w.shape[0], height, width))
    per = w.shape[0] // groups
    for channel in range(w.shape[0]):
        first = channel // per * w.shape[1]
        for i in range(height):
            for j in range(width):
                top, left = i * strides[0], j * strides[1]
                patch = padded[
                    :, first : first + w.shape[1], top : top + w.shape[2], left : left + w.shape[3]
                ]
                out[:, channel, i, j] = (patch * w[channel]).sum((1, 2, 3))
    return out


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolution_with_uneven_padding(groups: int) -> None:
    w = RNG.normal(size=(8, 4 // groups, 3, 3)).astype(np.float32)
    strides, pad = np.int32([2, 1]), np.int32([0, 1, 2, 0])
    found = run_function(
        _program(
            _op(
                "conv",
                x=X,
                weight=w,
                strides=strides,
                pad_type="custom",
                pad=pad,
                groups=np.int32(groups),
            )
        ),
        {},
    )["y"]
    np.testing.assert_allclose(
        found.numpy(), _conv_loop(X, w, [2, 1], [0, 1, 2, 0], groups), atol=1e-5
    )


def test_convolution_refuses_a_padding_rule_it_does_not_know() -> None:
    with pytest.raises(StageError, match="pad_type 'same'"):
        run_function(
            _program(_op("conv", x=X, weight=np.ones((1, 4, 3, 3), np.float32), pad_type="same")),
            {},
        )


def _quantize(
    x: np.ndarray, scale: np.ndarray, zero: np.ndarray, low: int, high: int
) -> np.ndarray:
    return np.clip(np.rint(x / scale) + zero, low, high)


SCALE = np.float32([0.5, 0.25, 1.0, 2.0])
ZERO = np.int8([0, -3, 5, 100])
FORMULAS: dict[str, tuple[dict[str, Any], np.ndarray]] = {
    "batch_norm": (
        {
            "x": X,
            "mean": SCALE,
            "variance": SCALE + 1,
            "gamma": SCALE * 3,
            "beta": -SCALE,
            "epsilon": np.float32(0.01),
        },
        (X - SCALE[:, None, None]) / np.sqrt(SCALE[:, None, None] + 1.01) * SCALE[:, None, None] * 3
        - SCALE[:, None, None],
    ),
    "clip": (
        {"x": X, "alpha": np.float32(0), "beta": np.float32(0.7)},
        np.minimum(np.maximum(X, 0), 0.7),
    ),
    "dequantize": (
        {
            "input": np.full((1, 4, 2, 2), 7, np.int8),
            "scale": SCALE,
            "zero_point": ZERO,
            "axis": np.int32(1),
        },
        np.broadcast_to(((7 - ZERO.astype(float)) * SCALE)[None, :, None, None], (1, 4, 2, 2)),
    ),
    "constexpr_affine_dequantize": (
        {
            "quantized_data": np.full((4, 2), 9, np.int8),
            "scale": SCALE,
            "zero_point": np.int8(0),
            "axis": np.int32(0),
        },
        np.broadcast_to((9 * SCALE)[:, None], (4, 2)),
    ),
    "constexpr_blockwise_shift_scale": (
        {
            "data": np.arange(24, dtype=np.int8).reshape(4, 6),
            "scale": np.float32([[0.5, 2.0], [0.25, 1.0]]),
            "offset": np.int8([[0, -3], [5, 100]]),
        },
        # Blocks of 2 x 3 elements.
        (np.arange(24.0).reshape(4, 6) - np.kron([[0, -3], [5, 100]], np.ones((2, 3))))
        * np.kron([[0.5, 2.0], [0.25, 1.0]], np.ones((2, 3))),
    ),
    "constexpr_cast": (
        {"source_val": X.astype(np.float16), "output_dtype": "fp32"},
        X.astype(np.float16).astype(np.float32),
    ),
    "expand_dims": ({"x": X[0], "axes": np.int32([0, 4])}, X[0][None, ..., None]),
    "gelu": ({"x": X, "mode": "EXACT"}, X * 0.5 * (1 + np.vectorize(math.erf)(X / np.sqrt(2)))),
    "linear": (
        {"x": X[0, 0], "weight": X[0, 1], "bias": np.arange(6, dtype=np.float32)},
        X[0, 0] @ X[0, 1].T + np.arange(6),
    ),
    "pad": ({"x": X, "pad": np.int32([1, 0, 0, 2])}, np.pad(X, [(0, 0), (0, 0), (1, 0), (0, 2)])),
    "quantize": (
        {
            "input": X * 20,
            "scale": SCALE,
            "zero_point": ZERO,
            "axis": np.int32(1),
            "output_dtype": "int8",
        },
        _quantize(X * 20, SCALE[:, None, None], ZERO[:, None, None].astype(float), -128, 127),
    ),
    "real_div": ({"x": X, "y": np.float32([[[[3]]]])}, X / 3),
    "reduce_log_sum_exp": (
        {"x": X, "axes": np.int32([-1]), "keep_dims": np.bool_(True)},
        np.log(np.exp(X).sum(-1, keepdims=True)),
    ),
    "reduce_mean": ({"x": X, "axes": np.int32([-2, -1])}, X.mean((2, 3))),
    "relu6": ({"x": X * 9}, np.clip(X * 9, 0, 6)),
    "reshape": ({"x": X, "shape": np.int32([0, -1])}, X.reshape(1, -1)),
    "sigmoid": ({"x": X}, 1 / (1 + np.exp(-X))),
    "silu": ({"x": X}, X / (1 + np.exp(-X))),
    "slice_by_index": (
        {
            "x": X,
            "begin": np.int32([0, 1, 0, 2]),
            "end": np.int32([0, 3, 6, 0]),
            "stride": np.int32([1, 1, 2, 1]),
            "end_mask": np.bool_([True, False, False, True]),
            "squeeze_mask": np.bool_([True, False, False, False]),
        },
        X[0, 1:3, 0:6:2, 2:],
    ),
    "softmax": ({"x": X, "axis": np.int32(1)}, np.exp(X) / np.exp(X).sum(1, keepdims=True)),
    "transpose": ({"x": X, "perm": np.int32([0, 2, 3, 1])}, X.transpose(0, 2, 3, 1)),
}


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_operation_against_its_formula(name: str) -> None:
    inputs, wanted = FORMULAS[name]
    found = run_function(_program(_op(name, **inputs)), {})["y"].float().numpy()
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=2e-6, rtol=2e-6)


@pytest.mark.parametrize("name", ["max_pool", "avg_pool"])
def test_pooling_with_padding(name: str) -> None:
    fill, reduce = (-np.inf, np.max) if name == "max_pool" else (0.0, np.mean)
    padded = np.pad(X, [(0, 0), (0, 0), (1, 1), (0, 1)], constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 2), axis=(2, 3))[:, :, ::2, ::2]
    inputs = {
        "kernel_sizes": np.int32([2, 2]),
        "strides": np.int32([2, 2]),
        "pad_type": "custom",
        "pad": np.int32([1, 1, 0, 1]),
    }
    found = run_function(_program(_op(name, x=X, **inputs)), {})["y"]
    np.testing.assert_allclose(found.numpy(), reduce(windows, axis=(4, 5)), atol=1e-6)


def test_every_listed_operation_is_callable() -> None:
    assert len(OPERATIONS) > 40 and all(callable(function) for function in OPERATIONS.values())
    assert torch.equal(
        OPERATIONS["concat"]([torch.ones(1), torch.zeros(1)], torch.tensor(0)),
        torch.tensor([1.0, 0.0]),
    )


@pytest.mark.parametrize(
    ("amounts", "value", "own", "merged"),
    [
        ([0, 1, 0, 1], 0.0, 0, True),
        ([0, 0, 0, 0, 1, 2, 0, 1], 0.0, 0, True),
        ([0, 1, 0, 1], 1.0, 0, False),  # other values than a convolution pads with
        ([0, 0, 0, 1, 0, 1, 0, 1], 0.0, 0, False),  # another channel
        ([0, 1, 0, 1], 0.0, 1, False),  # the convolution pads already
    ],
)
def test_zero_padding_moves_into_the_convolution(
    amounts: list[int], value: float, own: int, merged: bool
) -> None:
    from coremltools.converters.mil.mil import Builder as mb
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY

    channels = 4 + (sum(amounts[:4]) if len(amounts) == 8 else 0)
    weight = RNG.normal(size=(3, channels, 3, 3)).astype(np.float32)

    @mb.program(input_specs=[mb.TensorSpec(shape=X.shape)])
    def program(x: Any) -> Any:
        padded = mb.pad(x=x, pad=amounts, mode="constant", constant_val=np.float32(value))
        return mb.conv(
            x=padded, weight=weight, strides=[2, 2], pad_type="custom", pad=[own] * 4, name="y"
        )

    main = program.functions["main"]
    before = run_function(main, {"x": torch.from_numpy(X)})["y"]
    PASS_REGISTRY[register_padding_pass()](program)
    assert [op.op_type for op in main.operations if op.op_type != "const"] == (
        ["conv"] if merged else ["pad", "conv"]
    )
    torch.testing.assert_close(
        run_function(main, {"x": torch.from_numpy(X)})["y"], before, atol=0, rtol=0
    )
