"""Small weights in an ONNX file, expanded when it is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from export.packed_matrix import FEWEST_VALUES, PackedMatrix, find_packed, round_to_levels


def store_packed(model: Any, packed: Sequence[PackedMatrix]) -> list[str]:
    """Store every float32 constant of `model` that is one of `packed` in its small form.

    Cast and Mul make float32 of it. ONNX Runtime computes both once, when it loads the file; a
    DequantizeLinear it would leave as it is, to be computed for every image.

    Returns:
        the names of the matrices that were found.
    """
    small = {}
    for constant in model.graph.initializer:
        if constant.data_type != TensorProto.FLOAT:
            continue
        matrix = find_packed(packed, numpy_helper.to_array(constant))
        if matrix is not None:
            small[constant.name] = matrix
    _replace_constants(model.graph, small)
    return [matrix.name for matrix in small.values()]


def store_convolutions(model: Any) -> list[str]:
    """Store the weights of convolutions in 8 bits, where that pays.

    Returns:
        the names of convolutions whose weights are no constants.
    """
    constants = {constant.name: constant for constant in model.graph.initializer}
    small = {}
    left = []
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        if node.input[1] not in constants:
            left.append(node.name)
            continue
        weight = numpy_helper.to_array(constants[node.input[1]])  # (N, K / groups, H, W)
        if weight.size >= FEWEST_VALUES:
            small[node.input[1]] = round_to_levels(node.input[1], weight)
    _replace_constants(model.graph, small)
    return left


def _replace_constants(graph: Any, small: Mapping[str, PackedMatrix]) -> None:
    """Each constant of these names by the nodes that make its values of the small ones."""
    nodes: list[NodeProto] = []
    for constant in [item for item in graph.initializer if item.name in small]:
        graph.initializer.remove(constant)
        nodes += _expand(graph, constant.name, small[constant.name])
    # Nodes stand in the order of their computation.
    others = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *others])


def _expand(graph: Any, name: str, matrix: PackedMatrix) -> list[NodeProto]:
    """The nodes that give `name` its float32 value; their constants go into the graph."""
    values = _add_constant(graph, f"{name}_packed", matrix.values)
    if matrix.scale is None:
        return [helper.make_node("Cast", [values], [name], to=TensorProto.FLOAT)]
    scale = _add_constant(graph, f"{name}_scale", matrix.scale)
    levels = f"{name}_levels"
    return [
        helper.make_node("Cast", [values], [levels], to=TensorProto.FLOAT),
        helper.make_node("Mul", [levels, scale], [name]),
    ]


def _add_constant(graph: Any, name: str, values: np.ndarray) -> str:
    graph.initializer.append(numpy_helper.from_array(values, name))
    return name
