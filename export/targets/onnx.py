"""ONNX: `model.onnx` for ONNX Runtime (desktop, Mobile, Web)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from export.deploy import DeployModel, example_banks, example_image
from export.head_weights import note_packed, require_packed_convolutions
from export.job import ExportJob, Result, describe_bank_input
from export.parity import require_integer
from export.quiet import quiet
from gazeclip.bundle.layout import BANK_INPUT, INPUT_NAME, OUTPUTS
from gazeclip.files.atomic import atomic_write
from gazeclip.system.packages import require
from quantize.encoder import count_quantizers

FILE = "model.onnx"
# The newest operator set that the tracing exporter writes without conversion; ONNX Runtime Mobile
# and Web read it.
OPSET = 17
IR_VERSION = 8


def export(job: ExportJob) -> Result:
    """Write the model; input uint8 `(B, S, S, 3)`, B dynamic.

    int8 holds int8 weights and unsigned activations, w8 the weights only.

    Returns:
        `model` and `notes` with `quantized_convolutions`, `float_convolutions`, `opset` and, for
        int8, the counts of `onnx_rewrite.rewrite_quantizers`.

    Raises:
        ConfigError: precision not possible.
        MissingDependencyError: onnx is not installed.
        StageError: the traced graph is not of the expected form.
    """
    job.require_precision("onnx")
    onnx = require("onnx", extra="onnx")
    encoder = None
    if job.precision == "int8":
        encoder = job.freeze_encoder("fake")
    model = _trace_model(onnx, DeployModel(job.student, encoder, job.image_size), job)
    from export.targets.onnx_head import store_convolutions, store_packed
    from export.targets.onnx_log_sum_exp import spell_out_log_sum_exp
    from export.targets.onnx_rewrite import rewrite_quantizers

    spell_out_log_sum_exp(model)
    rewritten = rewrite_quantizers(model)
    packed = note_packed(job, store_packed(model, job.packed_head))
    if job.precision == "w8":
        require_packed_convolutions(store_convolutions(model), "onnx w8")
    model.ir_version = IR_VERSION
    model.producer_name = "gazeclip"
    model.producer_version = ""
    onnx.helper.set_model_props(model, job.all_metadata())
    model.graph.name = "gazeclip-student"
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString(deterministic=True)
    atomic_write(job.out_dir / FILE, lambda path: _write(path, data))
    notes = {
        **count_convolutions(model),
        "opset": OPSET,
        **(rewritten if job.precision == "int8" else {}),
        **packed,
    }
    return {"model": FILE, "notes": notes, **describe_bank_input(job, None)}


def rehearse(job: ExportJob) -> None:
    """The whole export, which takes seconds, and whether its convolutions became integer ones."""
    notes = export(job)["notes"]
    if job.precision == "int8":
        convolutions = count_quantizers(job.require_quantized())["weight_quantizers"]
        require_integer(notes, convolutions, "onnx int8")


def _trace_model(onnx: Any, model: DeployModel, job: ExportJob) -> Any:
    buffer = io.BytesIO()
    inputs = [INPUT_NAME]
    axes = {name: {0: "batch"} for name in (INPUT_NAME, *OUTPUTS)}
    if job.external_bank:
        inputs.append(BANK_INPUT)
        axes[BANK_INPUT] = {0: "classes"}
        axes["logits"][1] = "classes"
    with quiet(), torch.no_grad(), _without_dumps():
        torch.onnx.export(
            model,
            (example_image(job.image_size, 2), *example_banks(job)),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            do_constant_folding=True,
            input_names=inputs,
            output_names=list(OUTPUTS),
            dynamic_axes=axes,
        )
    return onnx.load_from_string(buffer.getvalue())


@contextlib.contextmanager
def _without_dumps() -> Iterator[None]:
    """Where torch lacks an operation it prints the whole graph, hundreds of lines, to stdout."""
    core: Any = torch._C
    kept = core._jit_onnx_log
    core._jit_onnx_log = lambda *_: None
    try:
        yield
    finally:
        core._jit_onnx_log = kept


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def count_convolutions(model: Any) -> dict[str, int]:
    """Convolutions whose data and weight both come from a dequantizer, and the others."""
    producer = {name: node.op_type for node in model.graph.node for name in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    quantized = sum(
        all(producer.get(name) == "DequantizeLinear" for name in node.input[:2])
        for node in convolutions
    )
    return {
        "quantized_convolutions": quantized,
        "float_convolutions": len(convolutions) - quantized,
    }
