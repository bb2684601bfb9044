"""Turn the tracer's quantizers into those that ONNX Runtime fuses into integer kernels.

The tracer writes float weights with a quantizer behind them, signed activations, and scales hidden
behind Identity nodes: correct, but larger and slower than float. Each rewrite here keeps every
number:

1. scales and zero-points become named initializers;
2. a quantizer of a weight is folded, so the file holds int8 weights;
3. signed activations with zero-point z become unsigned ones with z + 128;
4. a clipping activation disappears where its quantizer saturates at the very same levels;
5. zero padding before a convolution moves into the convolution (zero is exactly representable).
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from gazeclip.errors import StageError

_QUANTIZE = "QuantizeLinear"
_DEQUANTIZE = "DequantizeLinear"


class _Graph:
    """Look-ups over a graph that is being changed."""

    def __init__(self, model: ModelProto) -> None:
        self.graph = model.graph
        self.constants = {item.name: numpy_helper.to_array(item) for item in self.graph.initializer}
        self.build_index()

    def build_index(self) -> None:
        self.producer = {name: node for node in self.graph.node for name in node.output}
        self.consumers: dict[str, list[NodeProto]] = {}
        for node in self.graph.node:
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)

    def find_source(self, name: str) -> str:
        """The value's own name before any Identity."""
        while name in self.producer and self.producer[name].op_type == "Identity":
            name = self.producer[name].input[0]
        return name

    def find_constant(self, name: str) -> np.ndarray | None:
        """The value of `name` where it depends on constants only, else None.

        The tracer computes paddings, so that an initializer alone is not enough.
        """
        name = self.find_source(name)
        if name in self.constants:
            return self.constants[name]
        node = self.producer.get(name)
        if node is None or node.op_type in (_QUANTIZE, _DEQUANTIZE):
            return None
        inputs = {item: self.find_constant(item) for item in node.input if item}
        if any(value is None for value in inputs.values()):
            return None
        (value,) = ReferenceEvaluator(node).run([name], inputs)
        return np.asarray(value)

    def add_constant(self, name: str, value: np.ndarray) -> str:
        """Store an initializer and return its name."""
        if name not in self.constants:
            self.constants[name] = value
            self.graph.initializer.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def remove_nodes(self, nodes: list[NodeProto]) -> None:
        for node in nodes:
            self.graph.node.remove(node)
        self.build_index()


def rewrite_quantizers(model: ModelProto) -> dict[str, int]:
    """Apply the rewrites to `model` in place.

    Returns:
        counts `folded_weights`, `unsigned_activations`, `absorbed_clips`, `moved_pads`.

    Raises:
        StageError: a scale is not constant, or a weight's quantizer is not symmetric int8.
    """
    graph = _Graph(model)
    counts = {"unsigned_activations": 0, "folded_weights": 0}
    for node in [node for node in graph.graph.node if node.op_type == _QUANTIZE]:
        scale = graph.find_constant(node.input[1])
        zero = graph.find_constant(node.input[2])
        if scale is None or zero is None:
            raise StageError(
                f"the scale of '{node.name}' is not a constant",
                remedy="Export from a frozen encoder",
            )
        weight = graph.find_constant(node.input[0])
        if weight is not None:
            _fold_weight(graph, node, weight, scale, zero)
            counts["folded_weights"] += 1
        else:
            counts["unsigned_activations"] += _name_activation(graph, node, scale, zero)
    counts["absorbed_clips"] = _absorb_clips(graph)
    counts["moved_pads"] = _move_pads(graph)
    _drop_unused(graph)
    return counts


def _find_dequantizers(graph: _Graph, quantize: NodeProto) -> list[NodeProto]:
    readers = graph.consumers.get(quantize.output[0], [])
    if any(node.op_type != _DEQUANTIZE for node in readers):
        raise StageError(
            f"'{quantize.name}' is not followed by a dequantizer",
            remedy="Export from a frozen encoder",
        )
    return readers


def _axis_of(node: NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)


def _fold_weight(
    graph: _Graph, node: NodeProto, weight: np.ndarray, scale: np.ndarray, zero: np.ndarray
) -> None:
    """Store the int8 weight; its dequantizer stays."""
    if zero.dtype != np.int8 or np.any(zero != 0):
        raise StageError(
            f"the weight of '{node.name}' is not symmetric int8",
            remedy="Export another precision, or use a backbone such as mobilenetv4_conv_small",
        )
    shape = [1] * weight.ndim
    if scale.ndim:
        shape[_axis_of(node)] = -1
    # One scale for each output channel, broadcast along its axis; or one for all.
    levels = np.rint(weight / (scale.reshape(shape) if scale.ndim else scale))
    base = f"{graph.find_source(node.input[0])}_int8"
    name = graph.add_constant(base, np.clip(levels, -128, 127).astype(np.int8))
    for reader in _find_dequantizers(graph, node):
        reader.input[0] = name
        reader.input[1] = graph.add_constant(f"{base}_scale", scale.astype(np.float32))
        reader.input[2] = graph.add_constant(f"{base}_zero", zero)
    graph.remove_nodes([node])


def _name_activation(graph: _Graph, node: NodeProto, scale: np.ndarray, zero: np.ndarray) -> int:
    """Give an activation's quantizer unsigned levels; 1 if they were signed."""
    signed = zero.dtype == np.int8
    unsigned = (zero.astype(np.int16) + 128).astype(np.uint8) if signed else zero
    names = [
        graph.add_constant(f"{node.output[0]}_scale", scale.astype(np.float32)),
        graph.add_constant(f"{node.output[0]}_zero", unsigned),
    ]
    for item in [node, *_find_dequantizers(graph, node)]:
        item.input[1], item.input[2] = names
    return int(signed)


def _absorb_clips(graph: _Graph) -> int:
    """Remove Relu and Clip before a quantizer that saturates at their limits anyway.

    ONNX Runtime looks for Conv -> Quantize. It removes a Clip itself only if the quantizer's range
    lies inside by float comparison, which a range of 6 stored as 6 / 255 often misses by one bit.
    """
    absorbed = 0
    for clip in [node for node in graph.graph.node if node.op_type in ("Clip", "Relu")]:
        reader = _only_reader(graph, clip)
        limits = _find_limits(graph, clip)
        if reader is None or reader.op_type != _QUANTIZE or limits is None:
            continue
        scale = graph.find_constant(reader.input[1])
        zero = graph.find_constant(reader.input[2])
        if scale is None or zero is None or scale.size != 1:
            continue
        info = np.iinfo(zero.dtype)
        # In float32, as the quantizer itself computes: the level that each limit falls on.
        low, high = (
            np.rint(np.float32(limit) / np.float32(scale)) + np.float32(zero) for limit in limits
        )
        if low <= info.min and high >= info.max:
            reader.input[0] = clip.input[0]
            graph.remove_nodes([clip])
            absorbed += 1
    return absorbed


def _find_limits(graph: _Graph, clip: NodeProto) -> tuple[float, float] | None:
    if clip.op_type == "Relu":
        return 0.0, np.inf
    bounds = [-np.inf, np.inf]
    for port in (1, 2):
        if len(clip.input) > port and clip.input[port]:
            value = graph.find_constant(clip.input[port])
            if value is None:
                return None
            bounds[port - 1] = float(value)
    return bounds[0], bounds[1]


def _move_pads(graph: _Graph) -> int:
    """Pad -> [Quantize -> Dequantize ->] Conv becomes Conv with `pads`.

    Only where the pad has no other reader.
    """
    moved = 0
    for pad in [node for node in graph.graph.node if node.op_type == "Pad"]:
        edges = _zero_edges(graph, pad)
        reader = _only_reader(graph, pad)
        while reader is not None and reader.op_type in (_QUANTIZE, _DEQUANTIZE, "Identity"):
            reader = _only_reader(graph, reader)
        if edges is None or reader is None or reader.op_type != "Conv":
            continue
        _add_pads(reader, edges)
        for node in graph.consumers[pad.output[0]]:
            for port, name in enumerate(node.input):
                if name == pad.output[0]:
                    node.input[port] = pad.input[0]
        graph.remove_nodes([pad])
        moved += 1
    return moved


def _only_reader(graph: _Graph, node: NodeProto) -> NodeProto | None:
    readers = graph.consumers.get(node.output[0], [])
    return readers[0] if len(readers) == 1 else None


def _zero_edges(graph: _Graph, pad: NodeProto) -> list[int] | None:
    """`[top, left, bottom, right]` of a constant zero padding of the two last axes, else None."""
    mode = next(
        (attribute.s for attribute in pad.attribute if attribute.name == "mode"), b"constant"
    )
    edges = graph.find_constant(pad.input[1])
    value = (
        graph.find_constant(pad.input[2]) if len(pad.input) > 2 and pad.input[2] else np.zeros(())
    )
    if (
        mode != b"constant"
        or edges is None
        or edges.size != 8
        or value is None
        or np.any(value != 0)
    ):
        return None
    # Four starts, then four ends, each for (batch, channels, rows, columns).
    low = edges[:4]
    high = edges[4:]
    if np.any(low[:2]) or np.any(high[:2]) or np.any(edges < 0):
        return None
    return [int(item) for item in (*low[2:], *high[2:])]


def _add_pads(conv: NodeProto, edges: list[int]) -> None:
    for attribute in list(conv.attribute):
        if attribute.name == "pads":
            edges = [old + new for old, new in zip(attribute.ints, edges, strict=True)]
            conv.attribute.remove(attribute)
    conv.attribute.append(helper.make_attribute("pads", edges))


def _drop_unused(graph: _Graph) -> None:
    """Remove Identity nodes and whatever no output depends on any more."""
    for node in graph.graph.node:
        if node.op_type == "Identity":
            continue
        for port, name in enumerate(node.input):
            node.input[port] = graph.find_source(name)
    needed = {output.name for output in graph.graph.output}
    keep: list[NodeProto] = []
    for node in reversed(list(graph.graph.node)):
        if needed.intersection(node.output):
            keep.append(node)
            needed.update(node.input)
    used: list[TensorProto] = [item for item in graph.graph.initializer if item.name in needed]
    del graph.graph.node[:]
    graph.graph.node.extend(reversed(keep))
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(used)
    graph.build_index()
