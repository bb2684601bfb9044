"""Core ML: `model.mlpackage`, an ML Program for iOS and macOS."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from export.blame import refuse_operations
from export.coreml_options import choose_system
from export.deploy import example_banks, trace_nchw_model
from export.head_weights import note_packed
from export.job import ExportJob, Result, describe_bank_input
from export.quiet import quiet
from export.targets.coreml_head import append_packing_pass
from export.targets.coreml_padding import register_padding_pass
from export.targets.coreml_settle import settle_package
from gazeclip.bundle.layout import BANK_INPUT, BANK_ROWS, INPUT_NAME, OUTPUTS
from gazeclip.system.packages import require
from quantize.nncf_setup import prepare_nncf

FILE = "model.mlpackage"
# What makes floats of integers; the last is what packages for iOS 18 and later have for weights.
_FROM_INTEGERS = ("dequantize", "constexpr_affine_dequantize", "constexpr_blockwise_shift_scale")


def export(job: ExportJob) -> Result:
    """Write the package, with an RGB image of S x S pixels as input and batch 1.

    The input is an `ImageType`; the outputs are float32.

    int8 carries the scales and zero-points of the quantized encoder: int8 weights in the file,
    8-bit activations between the layers. What is not quantized computes in float32, as in the model
    that was trained.

    Returns:
        `model` and `notes` with `quantized_convolutions`, `float_convolutions`, `minimum_target`,
        `operations` and, where units were chosen, `compute_units`.

    Raises:
        ConfigError: precision not possible, at all or on that system.
        MissingDependencyError: coremltools is not installed.
    """
    job.require_precision("coreml")
    system = choose_system(job.coreml, job.precision)
    prepare_nncf()
    with quiet(native=True):
        ct = require("coremltools", extra="coreml")
    encoder = None
    if job.precision == "int8":
        encoder = job.freeze_encoder("fake")
        _register_fake_quantize()
    traced = trace_nchw_model(job, encoder)
    package = job.out_dir / FILE
    with quiet(native=True), torch.no_grad():
        converted, packed = _convert_trace(ct, traced, job, system)
        _describe_model(converted, job)
        shutil.rmtree(package, ignore_errors=True)
        converted.save(str(package))
    settle_package(package)
    notes = {**inspect_package(package), "minimum_target": system, **note_packed(job, packed)}
    if job.coreml.compute_units is not None:
        notes["compute_units"] = job.coreml.compute_units
    return {"model": FILE, "notes": notes, **describe_bank_input(job, BANK_ROWS)}


def rehearse(job: ExportJob) -> None:
    """The trace, and whether the converter knows its operations; the conversion takes too long."""
    encoder = None
    if job.precision == "int8":
        encoder = job.freeze_encoder("fake")
    _require_known_operations(trace_nchw_model(job, encoder))


def _require_known_operations(traced: Any) -> None:
    from coremltools.converters.mil.frontend.torch.torch_op_registry import (
        _TORCH_OPS_REGISTRY as known,
    )

    # `_register_fake_quantize` teaches the converter these two.
    ours = {"aten::fake_quantize_per_tensor_affine", "aten::fake_quantize_per_channel_affine"}
    kinds = {node.kind() for node in traced.inlined_graph.nodes()}
    # What is left of Python's own operations is no work, but for functions written in Python.
    work = {kind for kind in kinds - ours if not kind.startswith("prim::")}
    work |= kinds & {"prim::PythonOp"}
    unknown = {kind for kind in work if known.get_func(kind) is None}
    refuse_operations("coremltools", traced, unknown)


def _convert_trace(ct: Any, traced: Any, job: ExportJob, system: str) -> tuple[Any, list[str]]:
    """The model, and which of the head's matrices lie in it in their small form."""
    shape = (1, 3, job.image_size, job.image_size)
    half = job.precision == "fp16"
    pipeline = ct.PassPipeline()
    # This pass turns the normalisation into a batch norm, whose epsilon of 1e-5 then scales every
    # pixel.
    pipeline.remove_passes({"common::fuse_elementwise_to_batchnorm"})
    pipeline.append_pass(register_padding_pass())
    pipeline.append_pass("common::dead_code_elimination")
    packed = append_packing_pass(pipeline, job.packed_head, job.precision == "w8")
    inputs = [ct.ImageType(name=INPUT_NAME, shape=shape, color_layout=ct.colorlayout.RGB)]
    for bank in example_banks(job, BANK_ROWS):
        inputs.append(ct.TensorType(name=BANK_INPUT, shape=tuple(bank.shape), dtype=np.float32))
    try:
        model = ct.convert(
            traced,
            source="pytorch",
            convert_to="mlprogram",
            inputs=inputs,
            outputs=[ct.TensorType(name=name, dtype=np.float32) for name in OUTPUTS],
            minimum_deployment_target=getattr(ct.target, system),
            compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
            skip_model_load=True,
            pass_pipeline=pipeline,
        )
    except NotImplementedError:
        _require_known_operations(traced)  # the dry run's words, with all that it does not know
        raise
    return model, packed


def _describe_model(model: Any, job: ExportJob) -> None:
    """Write down what the package is; labels go into the metadata.

    Core ML's own classifier form takes one output only, and an app needs four.
    """
    model.short_description = "Face forgery detection and attribution"
    model.user_defined_metadata.update(job.all_metadata())
    if job.coreml.compute_units is not None:  # a hint: no package can decide it
        model.user_defined_metadata["compute_units"] = job.coreml.compute_units
    model.input_description[INPUT_NAME] = f"RGB image, {job.image_size} x {job.image_size} pixels"
    if job.external_bank:
        model.input_description[BANK_INPUT] = f"One row a class, {BANK_ROWS} rows, zeros below"
    model.output_description["embedding"] = "L2-normalised image embedding"
    model.output_description["logits"] = _describe_logits(job)
    model.output_description["fake_logit"] = "Detection logit, above 0 means forged"
    model.output_description["gaze"] = "Pitch and yaw in radians"


def _describe_logits(job: ExportJob) -> str:
    if job.external_bank:
        return f"Attribution logits, one for each of the {BANK_ROWS} rows of {BANK_INPUT}"
    return f"Attribution logits of {json.dumps(list(job.classes))}"


def _register_fake_quantize() -> None:
    """Teach the converter the two fake-quantize operations of a trace.

    Each becomes `quantize` and `dequantize`.
    """
    from coremltools.converters.mil.frontend.torch.ops import _get_inputs
    from coremltools.converters.mil.frontend.torch.torch_op_registry import register_torch_op
    from coremltools.converters.mil.mil import Builder as mb

    def emit_levels(
        context: Any, node: Any, x: Any, scale: Any, zero: Any, low: int, axis: int | None
    ) -> None:
        # MIL takes the limits from the type: 0..255 or -128..127.
        kind = np.uint8 if low == 0 else np.int8
        arguments = {
            "scale": np.asarray(scale, np.float32),
            "zero_point": np.asarray(zero).astype(kind),
        }
        if axis is not None:
            arguments["axis"] = np.int32(axis)
        levels = mb.quantize(input=x, output_dtype=np.dtype(kind).name, **arguments)
        context.add(mb.dequantize(input=levels, name=node.name, **arguments))

    def per_tensor(context: Any, node: Any) -> None:
        x, scale, zero, low, _ = _get_inputs(context, node, expected=5)
        emit_levels(context, node, x, scale.val, zero.val, int(low.val), None)

    def per_channel(context: Any, node: Any) -> None:
        x, scale, zero, axis, low, _ = _get_inputs(context, node, expected=6)
        emit_levels(context, node, x, scale.val, zero.val, int(low.val), int(axis.val))

    register_torch_op(per_tensor, torch_alias=["fake_quantize_per_tensor_affine"], override=True)
    register_torch_op(per_channel, torch_alias=["fake_quantize_per_channel_affine"], override=True)


def inspect_package(package: Path) -> dict[str, Any]:
    """Read the package back: its convolutions by kind, and every operation's count."""
    from export.reference.evaluator import load_program

    operations = [op for op in load_program(package).operations if op.op_type != "const"]
    quantized = total = 0
    for op in operations:
        if op.op_type == "conv":
            total += 1
            sources = [op.inputs[port].op for port in ("x", "weight")]
            quantized += all(
                source is not None and source.op_type in _FROM_INTEGERS for source in sources
            )
    names = [op.op_type for op in operations]
    return {
        "quantized_convolutions": quantized,
        "float_convolutions": total - quantized,
        "operations": {name: names.count(name) for name in sorted(set(names))},
    }
