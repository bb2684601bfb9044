"""ONNX files in ONNX Runtime against PyTorch, and the graph rewrite against the graph before it."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazeclip.bundle.layout import OUTPUTS

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
from export.targets import onnx as target  # noqa: E402
from export.targets.onnx_rewrite import rewrite_quantizers  # noqa: E402


def _session(model: Any, optimised: Path | None = None, plain: bool = False) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if plain:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if optimised:
        options.optimized_model_filepath = str(optimised)
    return ort.InferenceSession(model if isinstance(model, bytes) else str(model), options)


@pytest.fixture(scope="module")
def exported(make_job: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Export a precision when it is first asked for: the file and what `export` says of it."""

    @functools.cache
    def export_once(precision: str) -> tuple[Path, dict[str, Any]]:
        folder = tmp_path_factory.mktemp(precision)
        result = target.export(make_job(precision, folder))
        return folder / result["model"], result

    return export_once


@pytest.mark.parametrize("precision", ["fp32", "w8", "int8"])
def test_file_matches_pytorch_at_any_batch_size(
    exported: Any, images: np.ndarray, expected: Any, check: Any, precision: str
) -> None:
    file, _ = exported(precision)
    session = _session(file)
    (entry,) = session.get_inputs()
    assert (entry.name, entry.type, entry.shape[1:]) == ("image", "tensor(uint8)", [64, 64, 3])
    together = dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"image": images}), strict=True))
    check(together, expected[precision], precision)
    alone = session.run(["embedding"], {"image": images[:1]})[0]
    np.testing.assert_allclose(alone, together["embedding"][:1], atol=2e-6)
    properties = session.get_modelmeta().custom_metadata_map
    assert (
        properties["precision"] == precision
        and properties["run"] == "test"
        and '"diffusion"' in properties["classes"]
    )


@pytest.mark.parametrize("precision", ["fp32", "w8", "int8"])
def test_openvino_reads_the_file_alike_at_any_batch_size(
    exported: Any, images: np.ndarray, expected: Any, check: Any, precision: str
) -> None:
    openvino = pytest.importorskip("openvino")
    file, _ = exported(precision)
    compiled = openvino.Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled([images])
    check({name: found[name] for name in OUTPUTS}, expected[precision], precision)
    for row in range(len(images)):
        alone = compiled([images[row : row + 1]])
        np.testing.assert_allclose(alone["fake_logit"], found["fake_logit"][row][None], atol=1e-4)


def test_int8_file_has_int8_weights_and_fuses(exported: Any, student: Any, tmp_path: Path) -> None:
    file, result = exported("int8")
    count = sum(value.ndim == 4 for value in student.encoder.parameters())
    residuals = sum(getattr(part, "has_skip", False) for part in student.encoder.modules())
    assert count > 20 and residuals > 0
    notes = result["notes"]
    model = onnx.load(file)
    large = [
        item for item in model.graph.initializer if len(item.dims) == 4 and np.prod(item.dims) > 100
    ]
    assert len(large) == count and all(item.data_type == onnx.TensorProto.INT8 for item in large)
    zeros = {item.name: item.data_type for item in model.graph.initializer}
    activations = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert activations and all(
        zeros[node.input[2]] == onnx.TensorProto.UINT8 for node in activations
    )
    _session(file, optimised=tmp_path / "optimised.onnx")
    fused = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    # The convolution behind the pooling and the one over all places have no quantizer after them.
    assert fused["QLinearConv"] == count - 2 and fused["QLinearAdd"] == residuals
    assert notes["quantized_convolutions"] == count and notes["folded_weights"] == count


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_file_asks_for_no_more_than_operator_set_17(exported: Any, precision: str) -> None:
    """ONNX Runtime knows it since 1.13, Mobile and Web included; and no operator is its own."""
    model = onnx.load(exported(precision)[0])
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
    assert model.ir_version == 8
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    ports = [*model.graph.input, *model.graph.output]
    assert {port.type.tensor_type.shape.dim[0].dim_param for port in ports} == {"batch"}


def test_two_exports_are_the_same_bytes(exported: Any, job: Any, tmp_path: Path) -> None:
    first, _ = exported("fp32")
    target.export(job("fp32"))
    assert (tmp_path / "model.onnx").read_bytes() == first.read_bytes()


def _small_graph(top: float, clip: float, kind: type) -> Any:
    """Quantized input -> Pad -> Conv -> Clip -> Quantize -> Dequantize, as a tracer writes it.

    The convolution's weights are float with a quantizer behind them.
    """
    helper, rng = onnx.helper, np.random.default_rng(0)
    constants = {
        "w": rng.normal(size=(4, 2, 3, 3)).astype(np.float32),
        "ws": np.array([0.01, 0.02, 0.03, 0.04], np.float32),
        "wz": np.zeros(4, np.int8),
        "s": np.float32(0.05),
        "z": np.int8(-7),
        "pads": np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int64),
        "low": np.float32(0),
        "high": np.float32(clip),
        "os": np.float32(top / 255),
        "oz": kind(np.iinfo(kind).min),
    }
    nodes = [
        helper.make_node("Identity", ["s"], ["s_again"]),
        helper.make_node("QuantizeLinear", ["x", "s_again", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s_again", "z"], ["xd"]),
        helper.make_node("Pad", ["xd", "pads"], ["xp"]),
        helper.make_node("QuantizeLinear", ["w", "ws", "wz"], ["wq"], axis=0),
        helper.make_node("DequantizeLinear", ["wq", "ws", "wz"], ["wd"], axis=0),
        helper.make_node("Conv", ["xp", "wd"], ["c"], strides=[2, 2]),
        helper.make_node("Clip", ["c", "low", "high"], ["k"]),
        helper.make_node("QuantizeLinear", ["k", "os", "oz"], ["kq"]),
        helper.make_node("DequantizeLinear", ["kq", "os", "oz"], ["y"]),
    ]
    floats = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", floats, ["b", 2, 8, 8])],
        [helper.make_tensor_value_info("y", floats, ["b", 4, 4, 4])],
        [
            onnx.numpy_helper.from_array(np.asarray(value), name)
            for name, value in constants.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("top", "absorbed"), [(6.0, 1), (5.0, 1), (9.0, 0)])
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_rewrite_keeps_every_number(top: float, absorbed: int, kind: type) -> None:
    model = _small_graph(top, 6.0, kind)
    x = np.random.default_rng(1).normal(size=(3, 2, 8, 8)).astype(np.float32) * 5
    before = _session(model.SerializeToString(), plain=True).run(None, {"x": x})[0]
    counts = rewrite_quantizers(model)
    onnx.checker.check_model(model, full_check=True)
    after = _session(model.SerializeToString(), plain=True).run(None, {"x": x})[0]
    assert counts["moved_pads"] == 1 and counts["folded_weights"] == 1
    assert (
        counts["absorbed_clips"] == absorbed
    )  # a range of 9 does not saturate at 6: the clip must stay
    assert before.max() == pytest.approx(min(top, 6.0), abs=top / 255)
    np.testing.assert_array_equal(after, before)
