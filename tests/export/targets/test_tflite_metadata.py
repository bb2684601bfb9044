"""Labels in a TFLite file: what a zip reader, a walk through its flatbuffer and TFLite itself see.

The walk goes by the numbers of the fields in `metadata_schema.fbs` of tflite-support 0.4.4.
"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from export.job import ExportJob
from gazeclip.bundle.layout import BANK_ROWS, OUTPUTS
from gazeclip.networks.student import Student
from tests.collecting import skip_without

skip_without("litert_converter")
skip_without("ai_edge_litert")

CLASSES = ("real", "face swap", "größer")
SIZE = 48


def _add_ones(path: Path) -> None:
    """A model with one addition, `x (1, 4)` -> `x + 1`."""
    from litert_converter import schema_py_generated as s

    from export.targets.tflite_file import serialize_model

    model = s.ModelT()
    model.version = 3
    ones = s.BufferT()
    ones.data = np.frombuffer(np.ones(4, np.float32).tobytes(), np.uint8)
    model.buffers = [s.BufferT(), ones]
    graph = s.SubGraphT()
    graph.tensors = []
    for name, buffer in (("x", 0), ("ones", 1), ("y", 0)):
        tensor = s.TensorT()
        tensor.name = name
        tensor.shape = np.array((1, 4), np.int32)
        tensor.type = s.TensorType.FLOAT32
        tensor.buffer = buffer
        graph.tensors.append(tensor)
    code = s.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = s.BuiltinOperator.ADD
    code.version = 1
    model.operatorCodes = [code]
    operator = s.OperatorT()
    operator.opcodeIndex = 0
    operator.inputs = np.array([0, 1], np.int32)
    operator.outputs = np.array([2], np.int32)
    operator.builtinOptionsType = s.BuiltinOptions.AddOptions
    operator.builtinOptions = s.AddOptionsT()
    graph.operators = [operator]
    graph.inputs = np.array([0], np.int32)
    graph.outputs = np.array([2], np.int32)
    model.subgraphs = [graph]
    path.write_bytes(serialize_model(model))


def _name_inputs(path: Path, name: str) -> None:
    """Give the model a signature whose one input has that name."""
    from litert_converter import schema_py_generated as s

    from export.targets.tflite_file import serialize_model

    model: Any = s.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    port = s.TensorMapT()
    port.name = name.encode()
    port.tensorIndex = 0
    signature = s.SignatureDefT()
    signature.inputs = [port]
    signature.outputs = []
    signature.subgraphIndex = 0
    model.signatureDefs = [signature]
    path.write_bytes(serialize_model(model))


@pytest.fixture
def described(tmp_path: Path) -> Path:
    from export.targets.tflite_metadata import describe_file

    path = tmp_path / "model.tflite"
    _add_ones(path)
    job = ExportJob(cast(Student, None), None, "fp32", tmp_path, CLASSES, SIZE)
    describe_file(path, job)
    return path


class Table:
    """A table of a flatbuffer, its fields by number."""

    def __init__(self, data: bytes, place: int) -> None:
        from flatbuffers.table import Table as Inner

        self.data = data
        self.inner = Inner(data, place)

    @classmethod
    def root(cls, data: bytes) -> Table:
        return cls(data, int.from_bytes(data[:4], "little"))

    def _find(self, number: int) -> int:
        offset = self.inner.Offset(4 + 2 * number)
        assert offset, f"field {number} is not set"
        return int(self.inner.Pos + offset)

    def text(self, number: int) -> str:
        found: bytes = self.inner.String(self._find(number))
        return found.decode()

    def byte(self, number: int) -> int:
        return self.data[self._find(number)]

    def word(self, number: int) -> int:
        place = self._find(number)
        return int.from_bytes(self.data[place : place + 4], "little")

    def table(self, number: int) -> Table:
        return Table(self.data, self.inner.Indirect(self._find(number)))

    def tables(self, number: int) -> list[Table]:
        self._find(number)
        field = self.inner.Offset(4 + 2 * number)
        start = self.inner.Vector(field)
        places = [start + 4 * k for k in range(self.inner.VectorLen(field))]
        return [Table(self.data, self.inner.Indirect(place)) for place in places]


def _read_metadata(path: Path) -> bytes:
    from litert_converter import schema_py_generated as s

    model: Any = s.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    (entry,) = [item for item in model.metadata if item.name == b"TFLITE_METADATA"]
    return bytes(model.buffers[entry.buffer].data)


def test_a_zip_reader_finds_one_label_a_line(described: Path) -> None:
    with zipfile.ZipFile(described) as archive:
        assert archive.testzip() is None and archive.namelist() == ["labels.txt"]
        assert archive.read("labels.txt").decode().splitlines() == list(CLASSES)


def test_labels_of_a_text_bank_are_in_no_file(tmp_path: Path) -> None:
    """They come with the bank; the bundle's own stand in bundle.json."""
    from export.targets.tflite_metadata import build_metadata, describe_file

    path = tmp_path / "model.tflite"
    _add_ones(path)
    _name_inputs(path, "image")
    baked = ExportJob(cast(Student, None), None, "fp32", tmp_path, CLASSES, SIZE)
    job = replace(baked, external_bank=True)
    describe_file(path, job)
    assert not zipfile.is_zipfile(path)
    root = Table.root(build_metadata(job, ("image", "text_bank")))
    (graph,) = root.tables(3)
    image, bank = graph.tables(2)
    assert (image.text(0), bank.text(0)) == ("image", "text_bank")
    assert f"{BANK_ROWS} rows" in bank.text(1)
    logits = graph.tables(3)[OUTPUTS.index("logits")]
    assert "row of the text bank" in logits.text(1) and "label" not in logits.text(1)
    with pytest.raises(AssertionError, match="field 6 is not set"):
        logits.tables(6)


def test_the_metadata_names_inputs_outputs_and_the_label_file(described: Path) -> None:
    data = _read_metadata(described)
    assert data[4:8] == b"M001"
    model = Table.root(data)
    assert model.text(2) == "fp32" and model.text(7) == "1.0.0"
    (graph,) = model.tables(3)
    (image,) = graph.tables(2)
    assert image.text(0) == "image" and f"{SIZE} x {SIZE}" in image.text(1)
    content = image.table(3)
    assert content.byte(0) == 2  # ImageProperties
    properties = content.table(1)
    assert properties.byte(0) == 1  # RGB
    assert [properties.table(1).word(side) for side in (0, 1)] == [SIZE, SIZE]
    outputs = graph.tables(3)
    assert [output.text(0) for output in outputs] == list(OUTPUTS)
    (labels,) = outputs[OUTPUTS.index("logits")].tables(6)
    assert labels.text(0) == "labels.txt" and labels.byte(2) == 2  # TENSOR_AXIS_LABELS


@pytest.mark.parametrize("library", ["ai_edge_litert", "tflite_runtime"])
def test_the_interpreters_run_the_file_as_before(described: Path, library: str) -> None:
    reason = f"{library} is not installed, so that nothing is known of it"
    interpreters = pytest.importorskip(f"{library}.interpreter", reason=reason)
    interpreter = interpreters.Interpreter(model_path=str(described), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.array([[1, 2, 3, 4]], np.float32))
    interpreter.invoke()
    assert interpreter.get_tensor(2).tolist() == [[2, 3, 4, 5]]


def test_the_same_job_gives_the_same_bytes(described: Path, tmp_path: Path) -> None:
    from export.targets.tflite_metadata import describe_file

    other = tmp_path / "other.tflite"
    _add_ones(other)
    describe_file(other, ExportJob(cast(Student, None), None, "fp32", tmp_path, CLASSES, SIZE))
    assert other.read_bytes() == described.read_bytes()


def test_the_reader_of_tflite_support_agrees(described: Path) -> None:
    reason = "tflite-support is not installed: it needs a protobuf before 4 (docs/toolchain.md)"
    reader = pytest.importorskip("tensorflow_lite_support.metadata.python.metadata", reason=reason)
    found = reader.MetadataDisplayer.with_model_file(str(described))
    assert found.get_packed_associated_file_list() == ["labels.txt"]
    assert found.get_associated_file_buffer("labels.txt").decode().splitlines() == list(CLASSES)
    assert '"type": "TENSOR_AXIS_LABELS"' in found.get_metadata_json()
