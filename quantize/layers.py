"""Convolutions of an encoder and the operations that NNCF knows them as.

NNCF names operations by how often a function was called where (`/conv2d/0`), not by the module;
only the weight that such an operation reads leads back to the convolution.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from gazeclip.errors import StageError
from gazeclip.system.packages import require
from quantize.nncf_setup import prepare_nncf

_WEIGHT = ".weight"
_PRODUCTS = ("mul", "multiply", "imul", "rmul")  # by value, with `*`, and in place


def map_operations(encoder: nn.Module, example: Tensor) -> dict[str, str]:
    """Name of each convolution -> name of its operation in NNCF's graph.

    `example`: normalised `(1, 3, S, S)`.
    """
    return {name: node.node_name for name, node in _map_nodes(encoder, example)[0].items()}


@torch.no_grad()
def find_pooled_layers(encoder: nn.Module, example: Tensor) -> list[str]:
    """Names of the convolutions that read one place, `(B, C, 1, 1)`, whatever the image's size."""
    found = []

    def look(name: str, images: Tensor) -> None:
        if images.shape[-2:] == (1, 1):
            found.append(name)

    handles = [
        part.register_forward_pre_hook(lambda _, args, name=name: look(name, args[0]))
        for name, part in encoder.named_modules()
        if isinstance(part, nn.Conv2d)
    ]
    encoder(example)
    for handle in handles:
        handle.remove()
    return found


def find_gates(encoder: nn.Module, example: Tensor) -> list[str]:
    """Names of the convolutions of squeeze-and-excitation gates (Hu et al., 2018).

    They read one place, and all that follows from their output is a factor of a map. A convolution
    behind the pooling reads one place too, and its output leaves the encoder: it is no gate. Nor is
    any where maps themselves have only one place, since nothing tells the two apart there.
    """
    nodes, graph = _map_nodes(encoder, example)
    pooled = find_pooled_layers(encoder, example)
    return [name for name in pooled if name in nodes and _ends_in_maps(graph, nodes[name])]


def _ends_in_maps(graph: Any, convolution: Any) -> bool:
    """Whether every way onward holds one place, `(B, C, 1, 1)`, until it multiplies a map."""
    waiting = [convolution]
    seen = set()
    while waiting:
        node = waiting.pop()
        seen.add(node.node_id)
        edges = graph.get_output_edges(node)
        if not edges or any(_count_places(edge) != 1 for edge in edges):
            return False
        for edge in edges:
            after = edge.to_node
            if after.node_id not in seen and not _multiplies_map(graph, after):
                waiting.append(after)
    return True


def _multiplies_map(graph: Any, node: Any) -> bool:
    if node.node_type.strip("_") not in _PRODUCTS:
        return False
    return any(_count_places(edge) > 1 for edge in graph.get_input_edges(node))


def _count_places(edge: Any) -> int:
    """Height times width of `(B, C, H, W)`; 0 for what is no map."""
    return math.prod(edge.tensor_shape[2:]) if len(edge.tensor_shape) == 4 else 0


def map_inputs(encoder: nn.Module, example: Tensor) -> dict[str, str]:
    """Name of each convolution -> name of the operation whose output it reads."""
    nodes, graph = _map_nodes(encoder, example)
    return {
        name: next(
            before.node_name
            for before in graph.get_previous_nodes(node)
            if not before.node_name.endswith((_WEIGHT, ".bias"))
        )
        for name, node in nodes.items()
    }


def find_layers_before(encoder: nn.Module, example: Tensor, kinds: Collection[str]) -> list[str]:
    """Names of the convolutions whose output an operation of these kinds reads, such as `gelu`."""
    nodes, graph = _map_nodes(encoder, example)
    return [
        name
        for name, node in nodes.items()
        if any(after.node_type in kinds for after in graph.get_next_nodes(node))
    ]


def _map_nodes(encoder: nn.Module, example: Tensor) -> tuple[dict[str, Any], Any]:
    prepare_nncf()
    builder = require("nncf.torch.function_hook.nncf_graph.nncf_graph_builder", extra="train")
    graph = builder.build_nncf_graph(encoder, example)
    names = [name for name, part in encoder.named_modules() if isinstance(part, nn.Conv2d)]
    nodes = {}
    for node in graph.get_all_nodes():
        name = node.node_name.removesuffix(_WEIGHT)
        if node.node_name.endswith(_WEIGHT) and name in names:
            (nodes[name],) = graph.get_next_nodes(node)
    return nodes, graph


def name_operations(encoder: nn.Module, layers: Collection[str], example: Tensor) -> list[str]:
    """The operations of some convolutions, for NNCF's ignored scope.

    Raises:
        StageError: a name is no convolution of this encoder.
    """
    if not layers:
        return []
    operations = map_operations(encoder, example)
    unknown = sorted(set(layers) - set(operations))
    if unknown:
        raise StageError(
            f"no such convolution: {', '.join(unknown)}",
            remedy="quantize --sensitivity lists them all",
        )
    return [operations[name] for name in layers]
