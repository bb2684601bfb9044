"""OpenVINO IR: `model.xml` with `model.bin`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from export.blame import refuse_operations
from export.deploy import DeployModel, example_banks, example_image, trace_nchw_model
from export.head_weights import note_packed, require_packed_convolutions
from export.job import ExportJob, Result, describe_bank_input
from export.packed_matrix import FEWEST_VALUES, PackedMatrix, find_packed, round_to_levels
from export.quiet import quiet
from gazeclip.bundle.layout import BANK_INPUT, INPUT_NAME, OUTPUTS
from gazeclip.files.atomic import write_bytes
from gazeclip.system.packages import require
from quantize.nncf_setup import prepare_nncf

FILE = "model.xml"
# Of the converter's message, up to the end of the line.
_UNKNOWN = re.compile("No conversion rule found for operations: (.+)")
# Where weights have their outputs: `(N, K, H, W)` and, groups first, `(G, N / G, K / G, H, W)`.
_OUTPUT_AXES = {"Convolution": (0,), "GroupConvolution": (0, 1)}


def export(job: ExportJob) -> Result:
    """Write the IR; input uint8 `(B, S, S, 3)`, B dynamic.

    Weights are stored as int8 where a fake quantizer follows them, and in w8 files.

    Returns:
        `model` and `notes` with `quantized_convolutions`, `float_convolutions`, `weight_files`.

    Raises:
        ConfigError: precision not possible.
        MissingDependencyError: openvino is not installed.
    """
    job.require_precision("openvino")
    ir = _convert_student(job)
    ov = require("openvino", extra="openvino")
    with quiet(), torch.no_grad():
        packed = note_packed(job, _store_packed(ir, job.packed_head))
        if job.precision == "w8":
            require_packed_convolutions(_store_convolutions(ir), "openvino w8")
        for port, name in zip(ir.inputs, (INPUT_NAME, BANK_INPUT), strict=False):
            port.get_tensor().set_names({name})
        ir.get_parameters()[0].set_layout(ov.Layout("NHWC"))  # for tools that would have to guess
        for output, name in zip(ir.outputs, OUTPUTS, strict=True):
            output.get_tensor().set_names({name})
        for key, value in job.all_metadata().items():
            ir.set_rt_info(value, ["gazeclip", key])
        ov.save_model(ir, job.out_dir / FILE, compress_to_fp16=job.precision == "fp16")
    _drop_indentation(job.out_dir / FILE)
    saved = ov.Core().read_model(job.out_dir / FILE)
    notes = {**_count_convolutions(saved), "weight_files": ["model.bin"], **packed}
    return {"model": FILE, "notes": notes, **describe_bank_input(job, None)}


def _convert_student(job: ExportJob) -> Any:
    """The student as OpenVINO's model, its values as they were.

    Raises:
        StageError: OpenVINO has no such operation.
    """
    prepare_nncf()
    ov = require("openvino", extra="openvino")
    encoder = job.quantized_encoder if job.precision == "int8" else None
    model = DeployModel(job.student, encoder, job.image_size)
    shape = [-1, job.image_size, job.image_size, 3]
    banks = example_banks(job)
    inputs = [(shape, ov.Type.u8), *(([-1, bank.shape[1]], ov.Type.f32) for bank in banks)]
    example = example_image(job.image_size, 2)
    with quiet(), torch.no_grad():
        try:
            return ov.convert_model(
                model, example_input=(example, *banks) if banks else example, input=inputs
            )
        except Exception as error:  # it has a type of its own in a private module
            _refuse_unknown_operations(str(error), job)
            raise


def _refuse_unknown_operations(message: str, job: ExportJob) -> None:
    """Say where the operations are that the converter's message names.

    The float student has them in the same layers as a quantized one.
    """
    found = _UNKNOWN.search(message)
    if found is not None:
        unknown = {kind.strip() for kind in found[1].split(",")}
        refuse_operations("OpenVINO", trace_nchw_model(job, None), unknown)


def _store_packed(ir: Any, packed: Sequence[PackedMatrix]) -> list[str]:
    """Store every float32 constant that is one of `packed` small, behind Convert and Multiply.

    Returns:
        the names of the matrices that were found.
    """
    if not packed:
        return []
    found = []
    for node in ir.get_ops():
        if node.get_type_name() != "Constant" or node.get_element_type().to_string() != "f32":
            continue
        matrix = find_packed(packed, node.data)
        if matrix is None:
            continue
        _expand(node, matrix)
        found.append(matrix.name)
    # With integer weights OpenVINO may round the data to 8 bits as well, for each image anew; the
    # head computes in float.
    ir.set_rt_info("0", ["runtime_options", "DYNAMIC_QUANTIZATION_GROUP_SIZE"])
    return found


def _store_convolutions(ir: Any) -> list[str]:
    """Store the weights of convolutions in 8 bits, where that pays.

    Returns:
        the names of convolutions whose weights are no constants.
    """
    # Before the first is replaced: two convolutions may read one constant.
    weights = {}
    left = []
    for operation in ir.get_ops():
        kind = operation.get_type_name()
        if kind not in _OUTPUT_AXES:
            continue
        node = operation.input_value(1).get_node()
        if node.get_type_name() != "Constant":
            left.append(operation.get_friendly_name())
        elif node.data.size >= FEWEST_VALUES:
            weights[node.get_friendly_name()] = (node, _OUTPUT_AXES[kind])
    for name, (node, axes) in weights.items():
        _expand(node, round_to_levels(name, node.data, *axes))
    return left


def _expand(constant: Any, matrix: PackedMatrix) -> None:
    """Replace a constant by the operations that make its values of the small ones."""
    opset = require("openvino.opset13", extra="openvino")
    value = opset.convert(opset.constant(matrix.values), "f32")
    if matrix.scale is not None:
        value = opset.multiply(value, opset.constant(matrix.scale))
    for reader in constant.output(0).get_target_inputs():
        reader.replace_source_output(value.output(0))


def _drop_indentation(path: Path) -> None:
    """A fifth of the description is spaces and line ends between its elements."""
    write_bytes(path, re.sub(rb">\s+<", b"><", path.read_bytes()))


def rehearse(job: ExportJob) -> None:
    """The conversion of the float model.

    NNCF's quantizers are read by the converter itself, which takes too long.
    """
    if job.precision != "int8":
        _convert_student(job)


def _count_convolutions(ir: Any) -> dict[str, int]:
    """Convolutions with both inputs quantized, and the others."""
    quantized = total = 0
    for op in ir.get_ops():
        if op.get_type_name() in {"Convolution", "GroupConvolution"}:
            total += 1
            quantized += all(_is_quantized(op.input_value(port).get_node()) for port in (0, 1))
    return {"quantized_convolutions": quantized, "float_convolutions": total - quantized}


def _is_quantized(node: Any) -> bool:
    """Whether a value comes from a FakeQuantize or from int8 constants.

    Operations that only change the shape are looked through.
    """
    while node.get_type_name() in {
        "Reshape",
        "Transpose",
        "MaxPool",
        "Pad",
        "Convert",
        "Multiply",
        "Subtract",
    }:
        node = node.input_value(0).get_node()
    if node.get_type_name() == "Constant":
        return str(node.get_element_type()) in {"<Type: 'int8_t'>", "<Type: 'uint8_t'>"}
    return node.get_type_name() == "FakeQuantize"
