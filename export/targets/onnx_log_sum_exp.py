"""Write ReduceLogSumExp out in plain operations.

OpenVINO's reader of ONNX ignores `axes` where this operation has it as an attribute, as in operator
sets before 18, and sums over the whole batch: the detection score of an image then depends on its
neighbours (openvinotoolkit/openvino issue 38238). Nothing complains, and a batch of one is right.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from gazeclip.errors import StageError

_FUSED = "ReduceLogSumExp"
_AXES = "log_sum_exp.axes"


def spell_out_log_sum_exp(model: ModelProto) -> int:
    """Replace each, over the last axis and keeping it; how many there were.

    `x (B, C)` -> `peak + log(sum(exp(x - peak)))`, with the largest of each row as the peak, so
    that nothing overflows.

    Raises:
        StageError: one goes over other axes or drops them.
    """
    nodes: list[NodeProto] = []
    count = 0
    for node in model.graph.node:
        if node.op_type == _FUSED:
            nodes += _spell_out(node)
            count += 1
        else:
            nodes.append(node)
    if count:
        model.graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), _AXES))
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    return count


def _spell_out(node: NodeProto) -> list[NodeProto]:
    options = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    if options.get("axes") != [-1] or options.get("keepdims", 1) != 1:
        raise StageError(
            f"onnx: {node.name} does not go over the last axis alone",
            remedy="Report this: the network has changed, and its export has not",
        )
    (rows,) = node.input
    (result,) = node.output
    peak, shifted, powers, total, log = (
        f"{result}.{part}" for part in ("peak", "shifted", "powers", "total", "log")
    )
    return [
        helper.make_node("ReduceMax", [rows], [peak], axes=[-1], keepdims=1),  # (B, C) -> (B, 1)
        helper.make_node("Sub", [rows, peak], [shifted]),
        helper.make_node("Exp", [shifted], [powers]),
        helper.make_node("ReduceSum", [powers, _AXES], [total], keepdims=1),  # (B, C) -> (B, 1)
        helper.make_node("Log", [total], [log]),
        helper.make_node("Add", [peak, log], [result]),
    ]
