"""TFLite (LiteRT): `model.tflite`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from export.deploy import DeployModel, example_banks, example_image
from export.head_weights import note_packed
from export.job import ExportJob, Result, describe_bank_input
from export.parity import is_integer
from export.quiet import quiet
from gazeclip.bundle.layout import BANK_INPUT, BANK_ROWS, INPUT_NAME, OUTPUTS
from gazeclip.errors import StageError
from gazeclip.system.packages import require
from quantize.encoder import count_quantizers
from quantize.fuse import prepare_encoder
from quantize.layers import find_layers_before
from quantize.nncf_setup import prepare_nncf

FILE = "model.tflite"
# What reads floats in the file, by the name of the torch function that it is a part of.
_ACTIVATIONS = {"GELU": "gelu", "LOGISTIC": "silu"}


class _Named(nn.Module):
    """Gives the outputs their names: the converter takes them from the keys of a mapping."""

    def __init__(self, model: DeployModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, text_bank: Tensor | None = None) -> dict[str, Tensor]:
        return dict(zip(OUTPUTS, self.model(image, text_bank), strict=True))


def export(job: ExportJob) -> Result:
    """Write the model; input `image` uint8 `(1, S, S, 3)`, outputs in the order of `OUTPUTS`.

    The signature `serving_default` carries the names, TFLite's metadata the labels. The batch is 1,
    as on a phone. fp16 stores weights in half precision; the interpreters compute in float32 with
    them.

    Returns:
        `model`, `io` (contract name to tensor name for runtimes that ignore signatures), and
        `notes` with `quantized_convolutions`, `float_convolutions`.

    Raises:
        ConfigError: precision not possible.
        MissingDependencyError: litert-torch is not installed.
        StageError: the converter renamed an output. What it left in float is counted in `notes`.
    """
    job.require_precision("tflite")
    prepare_nncf()
    with quiet(native=True):
        litert = require("litert_torch", extra="tflite")
    encoder = None
    config = None
    if job.precision == "int8":
        encoder = job.freeze_encoder("decomposed")
        config = _int8_config()
    model = _Named(DeployModel(job.student, encoder, job.image_size)).eval()
    inputs = {INPUT_NAME: example_image(job.image_size, 1)}
    for bank in example_banks(job, BANK_ROWS):
        inputs[BANK_INPUT] = bank
    with quiet(native=True), torch.no_grad():
        converted = litert.convert(model, sample_kwargs=inputs, quant_config=config)
        converted.export(str(job.out_dir / FILE))
    from export.targets.tflite_file import shrink_file
    from export.targets.tflite_metadata import describe_file

    packed = shrink_file(job.out_dir / FILE, job.packed_head, job.precision)
    describe_file(job.out_dir / FILE, job)
    notes = inspect_file(job.out_dir / FILE) | note_packed(job, packed)
    if job.precision == "int8":
        convolutions = count_quantizers(job.require_quantized())["weight_quantizers"]
        if not is_integer(notes, convolutions):
            notes["float_layers"] = _name_float_layers(job, notes.get("float_readers", ()))
    return {"model": FILE, "notes": notes, **describe_bank_input(job, BANK_ROWS)}


def _name_float_layers(job: ExportJob, readers: Iterable[str]) -> list[str]:
    """Convolutions that stay in float for what reads them; the file itself has no names."""
    encoder = prepare_encoder(job.student.encoder, job.image_size)
    example = torch.zeros(1, 3, job.image_size, job.image_size)
    kinds = {_ACTIVATIONS[reader] for reader in readers if reader in _ACTIVATIONS}
    return find_layers_before(encoder, example, kinds)


def rehearse(job: ExportJob) -> None:
    """The first half, `torch.export`; the conversion takes too long."""
    encoder = None
    if job.precision == "int8":
        encoder = job.freeze_encoder("decomposed")
    model = DeployModel(job.student, encoder, job.image_size)
    with quiet(), torch.no_grad():
        image = example_image(job.image_size, 1)
        torch.export.export(model, (image, *example_banks(job, BANK_ROWS)))


def _int8_config() -> Any:
    """Makes the converter fuse the quantizers that are in the graph; it adds none of its own.

    Without it every Q/DQ pair stays an operation between float kernels: five times the size, slower
    than float.
    """
    from litert_torch.quantize.pt2e_quantizer import (
        PT2EQuantizer,
        get_symmetric_quantization_config,
    )
    from litert_torch.quantize.quant_config import QuantConfig

    symmetric = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=False)
    return QuantConfig(pt2e_quantizer=PT2EQuantizer().set_global(symmetric))


def inspect_file(path: Path) -> dict[str, Any]:
    """Read the file back: its convolutions by kind, and every operation's count.

    `float_readers`: what takes the floats of those that are no integer ones, where others are. An
    operation between two quantizers is an integer one here.

    Raises:
        StageError: outputs are not the four of the contract in their order.
    """
    from litert_converter import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]
    int8 = schema.TensorType.INT8
    names = {
        code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
    }
    operations: Counter[str] = Counter()
    readers: dict[int, str] = {}  # the last operation that takes a tensor
    floats = []  # what the others give
    quantized = 0
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        # A byte in the old field, which larger codes do not fit, and 0 in the new one of old files.
        name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        operations[name] += 1
        readers |= {int(index): name for index in operator.inputs}
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            tensors = [int(index) for index in (*operator.inputs[:2], operator.outputs[0])]
            if all(graph.tensors[index].type == int8 for index in tensors):
                quantized += 1
            else:
                floats.append(tensors[-1])
    _require_outputs(model, graph)
    notes: dict[str, Any] = {
        "quantized_convolutions": quantized,
        "float_convolutions": len(floats),
        "operations": dict(sorted(operations.items())),
    }
    if quantized and floats:
        found = Counter(readers.get(index, "output") for index in floats)
        notes["float_readers"] = dict(sorted(found.items()))
    return notes


def _require_outputs(model: Any, graph: Any) -> None:
    by_index = {item.tensorIndex: item.name.decode() for item in model.signatureDefs[0].outputs}
    found = tuple(by_index[index] for index in graph.outputs)
    if found != OUTPUTS:
        raise StageError(
            f"the converter wrote the outputs {found}, not {OUTPUTS}",
            remedy="Install the pinned litert-torch",
        )
