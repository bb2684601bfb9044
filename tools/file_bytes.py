"""Where the bytes of an exported file are: its constants by type, the largest ones by name.

    python tools/file_bytes.py runs/demo/export/onnx/model.onnx
    python tools/file_bytes.py runs/demo/export/openvino/model.xml --largest 20

What is not a constant (`description`) is the graph: names, shapes, attributes.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from export.facts import model_size_mb
from gazeclip.console.lines import print_line
from gazeclip.system.packages import require
from quantize.nncf_setup import prepare_nncf


class Constant(NamedTuple):
    """One constant of a file."""

    nbytes: int
    kind: str
    shape: tuple[int, ...]
    name: str


def list_onnx(path: Path) -> Iterator[Constant]:
    """The initializers."""
    onnx = require("onnx", extra="onnx")
    for tensor in onnx.load(path).graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        yield Constant(values.nbytes, values.dtype.name, values.shape, tensor.name)


def list_openvino(path: Path) -> Iterator[Constant]:
    """The constants of the IR."""
    prepare_nncf()
    model = require("openvino", extra="openvino").Core().read_model(path)
    for node in model.get_ops():
        if node.get_type_name() == "Constant":
            kind = node.get_element_type().to_string()
            shape = tuple(node.shape)
            yield Constant(node.get_byte_size(), kind, shape, node.get_friendly_name())


def list_tflite(path: Path) -> Iterator[Constant]:
    """Constant tensors, and beside them the scales and zero-points of all."""
    schema = require("litert_converter.schema_py_generated", extra="tflite")
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    kinds = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
    for graph in model.subgraphs:
        for index, tensor in enumerate(graph.tensors):
            data = model.buffers[tensor.buffer].data
            if data is not None and len(data):
                shape = tuple(int(side) for side in tensor.shape)
                name = (tensor.name or b"").decode() or f"tensor {index}"
                yield Constant(len(data), kinds[tensor.type].lower(), shape, name)


def list_coreml(path: Path) -> Iterator[Constant]:
    """The constants of the program."""
    from export.reference.evaluator import load_program

    for operation in load_program(path).operations:
        value = operation.outputs[0].val if operation.op_type == "const" else None
        if hasattr(value, "nbytes"):
            yield Constant(value.nbytes, value.dtype.name, value.shape, operation.name)


LISTS: dict[str, Callable[[Path], Iterator[Constant]]] = {
    ".onnx": list_onnx,
    ".xml": list_openvino,
    ".tflite": list_tflite,
    ".mlpackage": list_coreml,
}


def print_listing(path: Path, largest: int) -> None:
    """Two tables: bytes by type, and the largest constants."""
    constants = list(LISTS[path.suffix](path))
    total = round(model_size_mb(path.parent, path.name) * 1e6)
    kinds: Counter[str] = Counter()
    for constant in constants:
        kinds[constant.kind] += constant.nbytes
    kinds["description"] = total - sum(kinds.values())
    for kind, nbytes in [("total", total), *kinds.most_common()]:
        print_line(f"{nbytes:>10,}  {kind}")
    print_line()
    for constant in sorted(constants, reverse=True)[:largest]:
        shape = " x ".join(str(side) for side in constant.shape)
        print_line(f"{constant.nbytes:>10,}  {constant.kind:8}  {shape:20}  {constant.name}")


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help=f"one that ends in {', '.join(LISTS)}")
    parser.add_argument("--largest", type=int, default=10, metavar="N", help="constants to name")
    arguments = parser.parse_args()
    if arguments.file.suffix not in LISTS or not arguments.file.exists():
        parser.error(f"no such model file: {arguments.file}")
    print_listing(arguments.file, arguments.largest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
