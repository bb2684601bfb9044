"""Labels and descriptions in a TFLite file, where ordinary readers of TFLite metadata look.

The form is TensorFlow Lite's metadata schema (`metadata_schema.fbs` of tflite-support, identifier
M001): a flatbuffer in the model's entry TFLITE_METADATA, and the label file in a zip archive behind
the model. tflite-support itself needs a protobuf before 4, so the few tables are written by hand.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from litert_converter import schema_py_generated as schema

from export.job import ExportJob
from export.targets.tflite_file import serialize_model
from gazeclip.bundle.layout import BANK_INPUT, BANK_ROWS, INPUT_NAME, OUTPUTS
from gazeclip.files.atomic import atomic_write, write_bytes

ENTRY = "TFLITE_METADATA"
LABELS = "labels.txt"
_IDENTIFIER = b"M001"
# The first parser that knows all fields that are written here.
_MIN_PARSER = "1.0.0"
_IMAGE_PROPERTIES = 2  # in the union ContentProperties
_RGB = 1  # of ColorSpaceType
_AXIS_LABELS = 2  # of AssociatedFileType: a line for each place along the tensor's axis
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest of a zip, so that files do not depend on the day
_OUTPUT_TEXTS = {
    "embedding": "L2-normalised image embedding",
    "logits": "Attribution logits, one for each label",
    "fake_logit": "Detection logit, above 0 means forged",
    "gaze": "Pitch and yaw in radians",
}
_BANK_TEXT = "Attribution logits, one for each row of the text bank"


def describe_file(path: Path, job: ExportJob) -> None:
    """Write labels and descriptions into a finished model file.

    One that takes a text bank has no labels: they come with whatever bank is given.
    """
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    buffer = schema.BufferT()
    names = _list_inputs(model) if job.external_bank else [INPUT_NAME]
    buffer.data = np.frombuffer(build_metadata(job, names), np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = ENTRY
    entry.buffer = len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    data = serialize_model(model)
    if job.external_bank:
        write_bytes(path, data)
    else:
        atomic_write(path, lambda partial: _write_with_labels(partial, data, job.classes))


def _list_inputs(model: Any) -> list[str]:
    """Their names in the order of the graph, which descriptions follow."""
    by_index = {item.tensorIndex: item.name.decode() for item in model.signatureDefs[0].inputs}
    return [by_index[index] for index in model.subgraphs[0].inputs]


def _write_with_labels(path: Path, data: bytes, classes: Sequence[str]) -> None:
    path.write_bytes(data)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(LABELS, _EPOCH), "\n".join(classes) + "\n")


def build_metadata(job: ExportJob, names: Sequence[str] = (INPUT_NAME,)) -> bytes:
    """The flatbuffer of the file's description.

    Args:
        names: of the inputs, in the order of the graph. Where one is the text bank, labels come
            with whatever bank is given, and logits have none here.
    """
    builder = flatbuffers.Builder(1024)
    size = job.image_size
    picture = _write_image_properties(builder, size)
    text = f"RGB image, {size} x {size} pixels, values 0 to 255"
    bank = f"One row a class, {BANK_ROWS} rows, zeros below the classes"
    described = []
    for name in names:
        if name == INPUT_NAME:
            described.append(_write_tensor(builder, name, text, content=picture))
        else:
            described.append(_write_tensor(builder, name, bank))
    labelled = BANK_INPUT not in names
    texts = _OUTPUT_TEXTS if labelled else {**_OUTPUT_TEXTS, "logits": _BANK_TEXT}
    outputs = [
        _write_tensor(builder, name, texts[name], labels=labelled and name == "logits")
        for name in OUTPUTS
    ]
    inputs = _write_vector(builder, described)
    results = _write_vector(builder, outputs)
    graph = _write_table(builder, 4, {2: inputs, 3: results})
    fields = {
        0: builder.CreateString("GazeCLIP Edge student"),
        1: builder.CreateString("Face forgery detection and attribution"),
        2: builder.CreateString(job.precision),
        3: _write_vector(builder, [graph]),
        7: builder.CreateString(_MIN_PARSER),
    }
    builder.Finish(_write_table(builder, 8, fields), _IDENTIFIER)
    return bytes(builder.Output())


def _write_tensor(
    builder: Any, name: str, text: str, content: int | None = None, labels: bool = False
) -> int:
    """A TensorMetadata: name, description, content, associated files."""
    fields = {0: builder.CreateString(name), 1: builder.CreateString(text)}
    if content is not None:
        fields[3] = content
    if labels:
        fields[6] = _write_vector(builder, [_write_label_file(builder)])
    return _write_table(builder, 7, fields)


def _write_label_file(builder: Any) -> int:
    """An AssociatedFile: name, description, type."""
    name = builder.CreateString(LABELS)
    text = builder.CreateString("One class a line, in the order of the logits")
    builder.StartObject(3)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    builder.PrependUOffsetTRelativeSlot(1, text, 0)
    builder.PrependInt8Slot(2, _AXIS_LABELS, 0)
    return int(builder.EndObject())


def _write_image_properties(builder: Any, size: int) -> int:
    """A Content of ImageProperties: RGB, and the size that the graph takes."""
    builder.StartObject(2)
    builder.PrependUint32Slot(0, size, 0)
    builder.PrependUint32Slot(1, size, 0)
    square = builder.EndObject()
    builder.StartObject(2)
    builder.PrependInt8Slot(0, _RGB, 0)
    builder.PrependUOffsetTRelativeSlot(1, square, 0)
    properties = builder.EndObject()
    builder.StartObject(2)
    builder.PrependUint8Slot(0, _IMAGE_PROPERTIES, 0)
    builder.PrependUOffsetTRelativeSlot(1, properties, 0)
    return int(builder.EndObject())


def _write_table(builder: Any, slots: int, fields: dict[int, int]) -> int:
    """A table whose fields all point at something."""
    builder.StartObject(slots)
    for slot, offset in fields.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return int(builder.EndObject())


def _write_vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
