"""Engines that add products of 8 bits in 16: what they compute here, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gazeclip.system.cpu import cpu_features
from runtimes.engines.registry import ENGINES
from runtimes.saturation import describe_saturation

OLD = ["AVX2", "AVX512"]
NEW = ["AVX2", "AVX512", "VNNI"]
CHANNELS = 32
# What one level of the result is worth: coarse enough that rounding is not what differs.
STEP = 64.0


def _bundle(**conversion: Any) -> Any:
    return SimpleNamespace(folder=Path("export/onnx"), meta={"metrics": {"conversion": conversion}})


def test_a_bundle_without_the_fix_warns_on_a_cpu_without_vnni() -> None:
    said = describe_saturation(_bundle(overflow_fix=False), "onnxruntime", None, OLD)
    assert said is not None and "\n" not in said
    for part in ("export/onnx", "ONNX Runtime", "no VNNI", "--overflow-fix on"):
        assert part in said
    assert describe_saturation(_bundle(overflow_fix=False), "openvino", "CPU", OLD) is not None


@pytest.mark.parametrize(
    ("conversion", "engine", "device", "features"),
    [
        ({"overflow_fix": True}, "onnxruntime", None, OLD),
        ({}, "onnxruntime", None, OLD),  # of fp32, or of an earlier version
        ({"overflow_fix": False}, "onnxruntime", None, NEW),
        ({"overflow_fix": False}, "litert", None, OLD),
        ({"overflow_fix": False}, "coreml", None, OLD),
        ({"overflow_fix": False}, "openvino", "GPU", OLD),
        ({"overflow_fix": False}, "onnxruntime", None, ["NEON", "DOTPROD"]),
        ({"overflow_fix": False}, "onnxruntime", None, []),  # a system that tells nothing
    ],
)
def test_nothing_is_said_where_nothing_can_overflow_or_nothing_is_known(
    conversion: dict[str, bool], engine: str, device: str | None, features: list[str]
) -> None:
    assert describe_saturation(_bundle(**conversion), engine, device, features) is None


def _make_model(weights: np.ndarray) -> bytes:
    """An ONNX file of one integer convolution, data and result of 8 bits.

    Args:
        weights: int8 `(N, C, 3, 3)`, a level worth 1/256; a level of the data is worth 1.
    """
    onnx = pytest.importorskip("onnx")
    make = onnx.helper.make_node
    constants = {
        "one": np.float32(1),
        "zero": np.uint8(0),
        "weights": weights,
        "worth": np.full(len(weights), 1 / 256, np.float32),
        "middle": np.zeros(len(weights), np.int8),
        "step": np.float32(STEP),
        "center": np.uint8(128),
    }
    nodes = [
        make("QuantizeLinear", ["x", "one", "zero"], ["levels"]),
        make("DequantizeLinear", ["levels", "one", "zero"], ["data"]),
        make("DequantizeLinear", ["weights", "worth", "middle"], ["filters"], axis=0),
        make("Conv", ["data", "filters"], ["sum"], kernel_shape=[3, 3]),
        make("QuantizeLinear", ["sum", "step", "center"], ["rounded"]),
        make("DequantizeLinear", ["rounded", "step", "center"], ["y"]),
    ]
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "one convolution",
        [onnx.helper.make_tensor_value_info("x", kind, [1, weights.shape[1], 8, 8])],
        [onnx.helper.make_tensor_value_info("y", kind, [1, len(weights), 6, 6])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    data: bytes = model.SerializeToString()
    return data


def _run_onnxruntime(model: bytes, x: np.ndarray) -> np.ndarray:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {"x": x})[0]
    return found


def _run_openvino(model: bytes, x: np.ndarray) -> np.ndarray:
    core = pytest.importorskip("openvino").Core()
    found: np.ndarray = core.compile_model(core.read_model(model), "CPU")([x])[0]
    return found


RUNNERS = {"onnxruntime": _run_onnxruntime, "openvino": _run_openvino}


def test_every_engine_of_which_it_is_said_is_tried() -> None:
    assert {name for name, entry in ENGINES.items() if entry.adds_in_16_bits} == set(RUNNERS)


@pytest.mark.parametrize("engine", list(RUNNERS))
@pytest.mark.parametrize("highest", [127, 63])
def test_only_eight_bits_without_vnni_overflow(engine: str, highest: int) -> None:
    features = cpu_features()
    if "AVX2" not in features:
        pytest.skip("the instruction is one of x86")
    # Half of the sum is positive, half of it nearly as negative, so that the whole is small and its
    # parts are as large as they get; neighbours have one sign.
    filters = np.full((CHANNELS, 3, 3, CHANNELS), highest, np.int8)
    flat = filters.reshape(CHANNELS, -1)  # channels of one place side by side
    flat[:, flat.shape[1] // 2 :] = 3 - highest
    weights = np.ascontiguousarray(filters.transpose(0, 3, 1, 2))
    x = np.full((1, CHANNELS, 8, 8), 255, np.float32)
    found = RUNNERS[engine](_make_model(weights), x)
    exact = 255 * int(weights[0].astype(np.int64).sum()) / 256
    overflows = highest == 127 and "VNNI" not in features
    # Half a step is what rounding may do.
    assert (np.abs(found - exact).max() > STEP / 2) == overflows
