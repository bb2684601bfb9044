"""An exported file without one of its parts: what is left shows what the part costs.

The graph that ships is cut, so that every other operation stays what it is: the branch and the head
of the gaze, or the way from bytes to normalised floats, which then are the input.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import INPUT_NAME, OUTPUTS
from gazeclip.system.packages import require

GAZE = "gaze"
PARTS = (GAZE, "pixels")
TARGETS = ("onnx", "openvino")  # whose files can be cut
# From bytes to normalised floats, in either format: `export/deploy.py`.
_ONNX_STEPS = ("Transpose", "Cast", "Mul", "Add")
_OPENVINO_STEPS = ("Convert", "Transpose", "Multiply", "Add")
_SLICES = ("Slice", "StridedSlice")
FLOATS = "normalised"  # the input where the pixels' part is cut


def cut_onnx(bundle: Bundle, part: str) -> bytes:
    """The ONNX file of a bundle without `gaze` or `pixels`."""
    onnx = require("onnx", extra="onnx")
    model = onnx.load(str(bundle.model_path))
    if part == GAZE:
        _drop_onnx_gaze(model.graph, bundle.graph_name(GAZE))
    else:
        _drop_onnx_pixels(onnx, model.graph, bundle)
    _prune_onnx(model.graph)
    data: bytes = model.SerializeToString()
    return data


def _drop_onnx_gaze(graph: Any, output: str) -> None:
    """Without the output; what the others take out of the joined features is read directly."""
    kept = [value for value in graph.output if value.name != output]
    makers = {name: node for node in graph.node for name in node.output}
    joined = None
    for node in _walk_back(makers, output):
        source = makers.get(node.input[0]) if node.op_type == "Slice" else None
        if source is not None and source.op_type == "Concat":
            joined = source
            break
    if joined is not None:
        pooled = joined.input[0]
        taken = [
            node
            for node in graph.node
            if node.op_type == "Slice" and node.input[0] == joined.output[0]
        ]
        names = {node.output[0] for node in taken}
        for node in graph.node:
            for place, name in enumerate(node.input):
                if name in names:
                    node.input[place] = pooled
    del graph.output[:]
    graph.output.extend(kept)


def _walk_back(makers: dict[str, Any], name: str) -> Iterator[Any]:
    """The nodes that a value is made of, the nearest first."""
    waiting = [name]
    seen = set()
    while waiting:
        node = makers.get(waiting.pop(0))
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        waiting += list(node.input)


def _drop_onnx_pixels(onnx: Any, graph: Any, bundle: Bundle) -> None:
    name = bundle.graph_name(INPUT_NAME)
    for step in _ONNX_STEPS:
        readers = [node for node in graph.node if name in node.input]
        if len(readers) != 1 or readers[0].op_type != step:
            break
        name = readers[0].output[0]
    for node in graph.node:
        for place, given in enumerate(node.input):
            if given == name:
                node.input[place] = FLOATS
    shape = ["batch", 3, bundle.image_size, bundle.image_size]
    floats = onnx.helper.make_tensor_value_info(FLOATS, onnx.TensorProto.FLOAT, shape)
    del graph.input[:]
    graph.input.append(floats)


def _prune_onnx(graph: Any) -> None:
    """Without the nodes that no output is made of, and their constants."""
    makers = {name: node for node in graph.node for name in node.output}
    needed = set()
    for value in graph.output:
        needed |= {id(node) for node in _walk_back(makers, value.name)}
    kept = [node for node in graph.node if id(node) in needed]
    read = {name for node in kept for name in node.input}
    constants = [value for value in graph.initializer if value.name in read]
    del graph.node[:]
    graph.node.extend(kept)
    del graph.initializer[:]
    graph.initializer.extend(constants)
    del graph.value_info[:]


def cut_openvino(core: Any, bundle: Bundle, part: str) -> Any:
    """The OpenVINO model of a bundle without `gaze` or `pixels`."""
    ov = require("openvino", extra="openvino")
    model = core.read_model(str(bundle.model_path))
    if part != GAZE:
        return _drop_openvino_pixels(ov, model, bundle.image_size)
    by_name = {name: model.output(bundle.graph_name(name)) for name in OUTPUTS}
    joined = _find_openvino_join(by_name[GAZE].get_node())
    if joined is not None:
        for reader in list(joined.output(0).get_target_inputs()):
            node = reader.get_node()
            if node.get_type_name() in _SLICES:
                node.output(0).replace(joined.input_value(0))
    kept = [port.get_node().input_value(0) for name, port in by_name.items() if name != GAZE]
    return ov.Model(kept, model.get_parameters(), "without gaze")


def _find_openvino_join(node: Any) -> Any | None:
    """The concatenation that the gaze's features are taken from; None: it reads the pooled ones."""
    waiting = [node]
    seen = set()
    while waiting:
        node = waiting.pop(0)
        if node.get_friendly_name() in seen:
            continue
        seen.add(node.get_friendly_name())
        sources = [value.get_node() for value in node.input_values()]
        if node.get_type_name() in _SLICES and sources[0].get_type_name() == "Concat":
            return sources[0]
        waiting += sources
    return None


def _drop_openvino_pixels(ov: Any, model: Any, size: int) -> Any:
    opset = require("openvino.opset13", extra="openvino")
    value = model.input(0)
    for step in _OPENVINO_STEPS:
        readers = list(value.get_target_inputs())
        if len(readers) != 1 or readers[0].get_node().get_type_name() != step:
            break
        value = readers[0].get_node().output(0)
    floats = opset.parameter([-1, 3, size, size], ov.Type.f32, FLOATS)
    for reader in list(value.get_target_inputs()):
        reader.replace_source_output(floats.output(0))
    outputs = [port.get_node().input_value(0) for port in model.outputs]
    return ov.Model(outputs, [floats], "from floats")
