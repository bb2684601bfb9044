"""A TFLite file made smaller without changing a number that it computes.

The converter gives every tensor a name of some hundred letters and every channel a zero-point of
eight bytes, all of them 0; and it has no way to store a float weight small.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from litert_converter import schema_py_generated as schema

from export.head_weights import require_packed_convolutions
from export.packed_matrix import FEWEST_VALUES, PackedMatrix, find_packed, round_to_levels
from gazeclip.bundle.layout import Precision
from gazeclip.errors import StageError
from gazeclip.files.atomic import write_bytes

_IDENTIFIER = b"TFL3"
# Of every constant, as the schema demands; the generated writer knows no alignment.
_ALIGNMENT = 16
# The first version of DEQUANTIZE that takes what is stored here: half precision, and one scale for
# each row.
_VERSIONS = {"float16": 3, "int8": 5}
# Of fewer values the half that is saved is less than the tensor and the operation that read them.
_FEWEST_HALVED = 256
# Where a convolution's weight has its outputs: `(N, H, W, K)`, depthwise `(1, H, W, N)`.
_OUTPUT_AXES = {
    schema.BuiltinOperator.CONV_2D: 0,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: 3,
}


def shrink_file(
    path: Path, packed: Sequence[PackedMatrix], precision: Precision = "fp32"
) -> list[str]:
    """Write the file anew: names of inner tensors dropped, equal zero-points once.

    Every float32 constant that is one of `packed` is stored small behind DEQUANTIZE, which the
    interpreters compute once. Of w8 so are the weights of convolutions in 8 bits, and of fp16 all
    constants in half precision, where that pays: the form that LiteRT calls float16 quantization.

    Returns:
        the names of the matrices that were found.

    Raises:
        StageError: a constant is larger than half precision can be.
    """
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    found = _store_packed(model, packed)
    if precision == "w8":
        require_packed_convolutions(_store_convolutions(model), "tflite w8")
    if precision == "fp16":
        _halve_constants(model)
    for graph in model.subgraphs:
        _drop_names(graph)
    write_bytes(path, serialize_model(model))
    return found


def _store_packed(model: Any, packed: Sequence[PackedMatrix]) -> list[str]:
    found = []
    graph = model.subgraphs[0]
    for index, tensor in enumerate(list(graph.tensors)):
        data = model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.FLOAT32 or data is None:
            continue
        constant = np.frombuffer(bytes(data), np.float32).reshape(tensor.shape)
        matrix = find_packed(packed, constant)
        if matrix is None:
            continue
        _expand(model, index, matrix)
        found.append(matrix.name)
    return found


def _halve_constants(model: Any) -> None:
    graph = model.subgraphs[0]
    for index, tensor in enumerate(list(graph.tensors)):
        data = model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.FLOAT32 or data is None:
            continue
        constant = np.frombuffer(bytes(data), np.float32).reshape(tensor.shape)
        if constant.size < _FEWEST_HALVED:
            continue
        with np.errstate(over="ignore"):
            half = constant.astype(np.float16)
        if not np.isfinite(half).all():
            raise StageError(
                f"the constant of shape {constant.shape} holds {np.abs(constant).max():.3g}, more "
                "than half precision can",
                remedy="Export this student as fp32",
            )
        _expand(model, index, PackedMatrix(str(index), half, None))


def _store_convolutions(model: Any) -> list[str]:
    """The places of convolutions whose weights are no constants; the others' are stored."""
    graph = model.subgraphs[0]
    axes = {}  # by the weight's index: two convolutions may read one
    left = []
    for place, operator in enumerate(graph.operators):
        code = model.operatorCodes[operator.opcodeIndex]
        axis = _OUTPUT_AXES.get(max(code.builtinCode, code.deprecatedBuiltinCode))
        if axis is None:
            continue
        index = operator.inputs[1]
        tensor = graph.tensors[index]
        data = model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.FLOAT32 or data is None:
            left.append(f"operator {place}")
        elif np.prod(tensor.shape) >= FEWEST_VALUES:
            axes[index] = axis
    for index, axis in axes.items():
        tensor = graph.tensors[index]
        data = bytes(model.buffers[tensor.buffer].data)
        weight = np.frombuffer(data, np.float32).reshape(tensor.shape)
        _expand(model, index, round_to_levels(str(index), weight, axis))
    return left


def _expand(model: Any, index: int, matrix: PackedMatrix) -> None:
    """Make the constant of that index the result of an operation on the small values."""
    graph = model.subgraphs[0]
    tensor = graph.tensors[index]
    model.buffers[tensor.buffer].data = None
    tensor.buffer = 0  # by convention the empty one, of what is computed
    graph.tensors.append(_make_constant(model, matrix))
    graph.operators.insert(0, _make_dequantizer(model, len(graph.tensors) - 1, index, matrix))


def _make_constant(model: Any, matrix: PackedMatrix) -> Any:
    """A tensor with the small values, whose buffer goes into the model."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(matrix.values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor = schema.TensorT()
    tensor.buffer = len(model.buffers) - 1
    tensor.shape = np.array(matrix.values.shape, np.int32)
    tensor.type = schema.TensorType.FLOAT16
    if matrix.scale is not None:
        tensor.type = schema.TensorType.INT8
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = matrix.scale.reshape(-1)
        tensor.quantization.zeroPoint = np.zeros(matrix.scale.size, np.int64)
        tensor.quantization.quantizedDimension = matrix.axis
    return tensor


def _make_dequantizer(model: Any, source: int, result: int, matrix: PackedMatrix) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex = _find_dequantize(model, _VERSIONS[matrix.values.dtype.name])
    operator.inputs = np.array([source], np.int32)
    operator.outputs = np.array([result], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    return operator


def _find_dequantize(model: Any, version: int) -> int:
    """The index of DEQUANTIZE in that version or a later one among the model's operator codes."""
    kind = schema.BuiltinOperator.DEQUANTIZE
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == kind and code.version >= version:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kind
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _drop_names(graph: Any) -> None:
    """Leave those of inputs and outputs, which runtimes without signatures go by."""
    ports = {*graph.inputs, *graph.outputs}
    for index, tensor in enumerate(graph.tensors):
        if index not in ports:
            tensor.name = None


def serialize_model(model: Any) -> bytes:
    """The file, constants aligned."""
    model.buffers = [_AlignedBuffer(buffer.data) for buffer in model.buffers]
    builder = _SharingBuilder(1 << 20)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """Writes vectors of numbers that are equal once: a file may point at one from many places."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        """Where the vector lies."""
        key = (x.dtype.str, x.tobytes())
        if key not in self.written:
            self.written[key] = super().CreateNumpyVector(x)
        return self.written[key]


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """A constant that begins at a multiple of 16 bytes."""

    def Pack(self, builder: Any) -> int:
        """Write the constant, then the table that points at it."""
        place = None
        if self.data is not None and len(self.data):
            data = np.asarray(self.data, np.uint8).tobytes()
            builder.StartVector(1, len(data), _ALIGNMENT)
            # A builder writes from the end of its memory to the front.
            builder.head = builder.head - len(data)
            builder.Bytes[builder.head : builder.head + len(data)] = data
            place = builder.EndVector()
        schema.BufferStart(builder)
        if place is not None:
            schema.BufferAddData(builder, place)
        end: int = schema.BufferEnd(builder)
        return end
