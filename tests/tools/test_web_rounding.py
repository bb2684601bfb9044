"""The tool that looks for the first quantized value that another engine rounds otherwise."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from gazeclip.system import place

ROOT = Path(__file__).parents[2]
if not place.is_checkout():
    pytest.skip("needs a checkout", allow_module_level=True)
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
SPEC = importlib.util.spec_from_file_location("web_rounding", ROOT / "tools" / "web_rounding.py")
assert SPEC is not None and SPEC.loader is not None
tool = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tool)


def make_model(path: Path) -> None:
    """An image that is halved and quantized in steps of 4, and then its mean."""
    helper = onnx.helper
    kinds = onnx.TensorProto
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["float"], to=kinds.FLOAT),
            helper.make_node("Mul", ["float", "half"], ["halved"]),
            helper.make_node("QuantizeLinear", ["halved", "scale", "zero"], ["steps"]),
            helper.make_node("DequantizeLinear", ["steps", "scale", "zero"], ["back"]),
            helper.make_node("ReduceMean", ["back"], ["fake_logit"], keepdims=0),
        ],
        "small",
        [helper.make_tensor_value_info("image", kinds.UINT8, [1, 2, 2, 3])],
        [helper.make_tensor_value_info("fake_logit", kinds.FLOAT, [])],
        [
            helper.make_tensor("half", kinds.FLOAT, [], [0.5]),
            helper.make_tensor("scale", kinds.FLOAT, [], [4.0]),
            helper.make_tensor("zero", kinds.UINT8, [], [0]),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def test_what_is_quantized_on_the_way_comes_out_too(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    make_model(path)
    model = onnx.load(path)
    assert tool.add_outputs(model) == ["steps"]
    onnx.save(model, path)
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3) * 20
    (found,) = tool.run_here(path, pixels)
    # round half to even, as ONNX defines it
    wanted = np.rint(pixels / 8).astype(np.uint8)
    np.testing.assert_array_equal(found["steps"], wanted)
    assert found["fake_logit"].item() == pytest.approx(wanted.mean() * 4)


def test_where_values_part_is_said_in_the_order_of_the_graph() -> None:
    none = np.zeros((2, 2), int)
    one = np.array([[0, 1], [0, 0]])
    many = np.array([[3, 1], [0, 2]])
    assert tool.describe_steps({"a": none, "b": none}) == "all equal"
    said = tool.describe_steps({"a": none, "b": one, "c": many})
    assert said == "first in tensor 2, 1 values by 1 step; 4 in all, at most 3 steps"
