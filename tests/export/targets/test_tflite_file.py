"""Half precision in a TFLite file, against NumPy, in the interpreter; nothing is converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazeclip.errors import StageError
from tests.collecting import skip_without

skip_without("litert_converter")
skip_without("ai_edge_litert")

INPUTS = 40
OUTPUTS = 16


def _write_linear(path: Path, weight: np.ndarray, bias: np.ndarray) -> None:
    """`x (1, K)` -> `x @ weight.T + bias` as a file, tensors named as converters do."""
    from litert_converter import schema_py_generated as s

    from export.targets.tflite_file import serialize_model

    model = s.ModelT()
    model.version = 3
    model.buffers = [s.BufferT()]
    graph = s.SubGraphT()
    graph.tensors = []
    for name, shape, data in (
        ("x", (1, INPUTS), None),
        ("weight", weight.shape, weight),
        ("bias", bias.shape, bias),
        ("y", (1, OUTPUTS), None),
    ):
        tensor = s.TensorT()
        tensor.name = name
        tensor.shape = np.array(shape, np.int32)
        tensor.type = s.TensorType.FLOAT32
        tensor.buffer = 0
        if data is not None:
            buffer = s.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            model.buffers.append(buffer)
            tensor.buffer = len(model.buffers) - 1
        graph.tensors.append(tensor)
    code = s.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = s.BuiltinOperator.FULLY_CONNECTED
    code.version = 1
    model.operatorCodes = [code]
    operator = s.OperatorT()
    operator.opcodeIndex = 0
    operator.inputs = np.array([0, 1, 2], np.int32)
    operator.outputs = np.array([3], np.int32)
    operator.builtinOptionsType = s.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = s.FullyConnectedOptionsT()
    graph.operators = [operator]
    graph.inputs = np.array([0], np.int32)
    graph.outputs = np.array([3], np.int32)
    model.subgraphs = [graph]
    path.write_bytes(serialize_model(model))


def _run(path: Path, x: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    results = []
    for _ in range(2):  # what is dequantized once must still be there
        interpreter.invoke()
        results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    assert np.array_equal(results[0], results[1])
    found: np.ndarray = results[0]
    return found


@pytest.fixture
def linear() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "weight": rng.normal(size=(OUTPUTS, INPUTS)).astype(np.float32),
        "bias": rng.normal(size=OUTPUTS).astype(np.float32),
        "x": rng.normal(size=(1, INPUTS)).astype(np.float32),
    }


def test_weights_are_halved_and_computed_with_in_float(
    linear: dict[str, np.ndarray], tmp_path: Path
) -> None:
    from export.targets.tflite_file import shrink_file

    path = tmp_path / "model.tflite"
    _write_linear(path, linear["weight"], linear["bias"])
    shrink_file(path, [])
    whole = path.stat().st_size
    exact = linear["x"] @ linear["weight"].T + linear["bias"]
    np.testing.assert_allclose(_run(path, linear["x"]), exact, atol=1e-5)

    shrink_file(path, [], "fp16")
    rounded = linear["weight"].astype(np.float16).astype(np.float32)
    wanted = linear["x"] @ rounded.T + linear["bias"]  # the bias is too short to be worth it
    found = _run(path, linear["x"])
    # The sum of forty products in float32, in another order. Half precision moves it by a
    # hundred times as much.
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert np.abs(found - exact).max() > 1e-4
    assert path.stat().st_size < whole - linear["weight"].nbytes // 2 + 300


def test_a_weight_beyond_half_precision_is_refused(
    linear: dict[str, np.ndarray], tmp_path: Path
) -> None:
    from export.targets.tflite_file import shrink_file

    path = tmp_path / "model.tflite"
    linear["weight"][2, 3] = 7e4
    _write_linear(path, linear["weight"], linear["bias"])
    before = path.read_bytes()
    with pytest.raises(StageError, match=r"shape \(16, 40\) holds 7e\+04, more than half"):
        shrink_file(path, [], "fp16")
    assert path.read_bytes() == before


def test_every_halved_constant_reads_version_three(
    linear: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """Earlier versions of the operation take no half precision, and say so only when they run."""
    from litert_converter import schema_py_generated as s

    from export.targets.tflite_file import shrink_file

    path = tmp_path / "model.tflite"
    _write_linear(path, linear["weight"], linear["bias"])
    shrink_file(path, [], "fp16")
    model: Any = s.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]
    kinds = [tensor.type for tensor in graph.tensors]
    assert kinds.count(s.TensorType.FLOAT16) == 1
    first = model.operatorCodes[graph.operators[0].opcodeIndex]
    assert (first.builtinCode, first.version) == (s.BuiltinOperator.DEQUANTIZE, 3)
