"""Small weights in an ONNX file, expanded when it is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from export.packed_matrix import PackedMatrix, find_packed


def store_packed(model: Any, packed: Sequence[PackedMatrix]) -> list[str]:
    """Store every float32 constant of `model` that is one of `packed` in its small form.

    Cast and Mul make float32 of it. ONNX Runtime computes both once, when it loads the file; a
    DequantizeLinear it would leave as it is, to be computed for every image.

    Returns:
        the names of the matrices that were found.
    """
    graph = model.graph
    found = []
    nodes: list[NodeProto] = []
    for constant in list(graph.initializer):
        if constant.data_type != TensorProto.FLOAT:
            continue
        matrix = find_packed(packed, numpy_helper.to_array(constant))
        if matrix is None:
            continue
        graph.initializer.remove(constant)
        nodes += _expand(graph, constant.name, matrix)
        found.append(matrix.name)
    # Nodes stand in the order of their computation.
    others = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *others])
    return found


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
