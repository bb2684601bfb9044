"""A student that cannot take a target says which operation is in the way, and in which layer.

One layer computes what no converter knows, and the failures are the converters' own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.zoo.cell import measure_cell
from benchmarks.zoo.measure import measure_student
from benchmarks.zoo.record import Record
from benchmarks.zoo.student import Subject
from export import trial
from export.batch import FAILED, Pair, build_table, export_each, refuse_failures
from export.blame import blame_student, explain_failure, locate_operations
from export.deploy import trace_nchw_model
from export.job import ExportJob
from export.registry import TARGETS, load_target
from gazeclip.bundle.layout import Precision
from gazeclip.errors import StageError
from gazeclip.networks.student import Student
from gazeclip.networks.zoo import ZooStudent
from gazeclip.recipe.load import parse_recipe
from quantize.encoder import quantize_encoder
from quantize.fuse import prepare_encoder
from tests.export.conftest import CLASSES, SIZE, build, pictures, quantize

LAYER = "encoder.backbone.layer2.0.act1"
OPERATION = "special_bessel_j0"
_TARGETS = [
    pytest.param(name, marks=[pytest.mark.slow] if name in ("coreml", "tflite") else [])
    for name in TARGETS
]


class Strange(nn.Module):
    """An activation, and beside it what no converter knows."""

    def __init__(self, inner: nn.Module, compute: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner = inner
        self.compute = compute

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + self.compute(x)


def spoil(student: Student, compute: Callable[[Tensor], Tensor]) -> Student:
    spoiled = copy.deepcopy(student)
    block = spoiled.encoder.get_submodule("backbone.layer2.0")
    block.act1 = Strange(block.act1, compute)
    return spoiled


@pytest.fixture(scope="module")
def tiny() -> Student:
    return build("test_resnet")


@pytest.fixture(scope="module")
def strange(tiny: Student) -> Student:
    return spoil(tiny, torch.special.bessel_j0)


def make_job(student: Student, folder: Path) -> ExportJob:
    return ExportJob(student, None, "fp32", folder, CLASSES, SIZE)


@pytest.mark.parametrize("target", _TARGETS)
def test_a_converter_that_lacks_an_operation_names_it_and_its_layer(
    target: str, strange: Student, tmp_path: Path
) -> None:
    for package in TARGETS[target].packages:
        pytest.importorskip(package)
    with pytest.raises(Exception, match=OPERATION) as caught:
        load_target(target).export(make_job(strange, tmp_path))
    told = explain_failure(caught.value)
    assert OPERATION in told and told.endswith(f" in {LAYER}") and "\n" not in told


def test_a_graph_of_hundreds_of_lines_is_not_printed(
    strange: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into the table of several exports, which goes to the same place; C++ writes it there."""
    printed: list[object] = []
    monkeypatch.setattr(torch._C, "_jit_onnx_log", lambda *words: printed.extend(words))
    with pytest.raises(Exception, match=OPERATION):
        load_target("onnx").export(make_job(strange, tmp_path))
    assert printed == []
    torch._C._jit_onnx_log("as before")
    assert printed == ["as before"]


def refuse_to_trace(x: Tensor) -> Tensor:
    """Outside a trace it computes: a converter is the first that cannot take it."""
    if torch.jit.is_tracing() or torch.compiler.is_exporting():
        raise ValueError("this layer takes no tracer")
    return x


@pytest.mark.parametrize("precision", ["fp32", "w8"])
def test_a_layer_that_fails_while_it_is_traced_is_named(
    precision: Precision, tiny: Student, tmp_path: Path
) -> None:
    """Of a copy of the student, as every target makes one."""
    spoiled = copy.deepcopy(spoil(tiny, refuse_to_trace))
    job = ExportJob(spoiled, None, precision, tmp_path, CLASSES, SIZE)
    with pytest.raises(ValueError, match="no tracer") as caught:
        load_target("onnx").export(job)
    told = explain_failure(caught.value)
    assert told == f"ValueError: this layer takes no tracer in {LAYER}"


def test_a_fold_that_fails_names_its_layer(tiny: Student) -> None:
    def refuse(x: Tensor) -> Tensor:
        raise ValueError("not today")

    with pytest.raises(ValueError) as caught:
        prepare_encoder(spoil(tiny, refuse).encoder, SIZE)
    assert explain_failure(caught.value) == f"ValueError: not today in {LAYER}"


def test_a_quantization_that_fails_names_its_layer(tiny: Student, quantizers: None) -> None:
    """It folds, which is tried with two images, and NNCF takes more at once."""
    spoiled = spoil(tiny, lambda x: x.reshape(2, 48, 8, 8))
    prepare_encoder(spoiled.encoder, SIZE)
    images = torch.rand(4, 3, SIZE, SIZE)
    with pytest.raises(RuntimeError) as caught:
        quantize_encoder(spoiled.encoder, [images], overflow_fix=True)
    told = explain_failure(caught.value)
    assert "shape '[2, 48, 8, 8]' is invalid" in told and told.endswith(f" in {LAYER}")


def test_the_zoo_says_it_of_a_student_that_cannot_be_quantized(
    tiny: Student, monkeypatch: pytest.MonkeyPatch, quantizers: None
) -> None:
    spoiled = spoil(tiny, lambda x: x.reshape(2, 48, 8, 8))
    monkeypatch.setattr("benchmarks.zoo.student.build_student", lambda *_: spoiled)
    monkeypatch.setattr("benchmarks.zoo.student.teach", lambda *_, **__: None)
    told: list[str] = []
    entry = ZooStudent("test_resnet", SIZE)
    pairs: list[Pair] = [("onnx", "fp32"), ("tflite", "int8")]
    measure_student(Record(), entry, pairs, "none", 0, told.append)
    assert len(told) == 2 and all(why.endswith(f" in {LAYER}") for why in told)


@pytest.mark.slow
def test_a_quantized_layer_has_the_same_name(
    strange: Student, tmp_path: Path, quantizers: None
) -> None:
    quantized = quantize(strange)
    job = ExportJob(strange, quantized, "int8", tmp_path, CLASSES, SIZE)
    with pytest.raises(Exception, match=OPERATION) as caught:
        load_target("onnx").export(job)
    assert explain_failure(caught.value).endswith(f" in {LAYER}")


def test_the_zoo_says_it_of_a_cell(strange: Student, tmp_path: Path) -> None:
    subject = Subject(strange, strange.encoder, pictures(2, 0))
    for precision in ("fp32", "w8"):
        cell = measure_cell(subject, "onnx", precision, tmp_path)
        assert cell["step"] == "convert"
        assert OPERATION in cell["why"] and cell["why"].endswith(f" in {LAYER}")


@pytest.mark.parametrize("target", ["onnx", "openvino", "coreml"])
def test_the_dry_run_says_it(
    target: str, strange: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not of TFLite, of which it tries `torch.export` only: that knows every operation."""
    for package in TARGETS[target].packages:
        pytest.importorskip(package)
    monkeypatch.setattr(trial, "quantize_encoder", lambda *_, **__: strange.encoder)
    chosen = {"targets": [target], "precisions": ["fp32"]}
    recipe = parse_recipe({"name": "x", "data": {"image_size": SIZE}, "export": chosen})
    ((what, _),) = trial._try_shipping(recipe, strange)
    assert what.startswith(f"stage export would fail for {target} fp32: ")
    assert OPERATION in what and what.endswith(f" in {LAYER}")


def test_the_table_of_several_exports_says_it(
    strange: Student, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And does not call it a fault of the program."""

    def export(target: str, precision: Precision) -> None:
        with blame_student(f"{target} {precision}"):
            load_target(target).export(make_job(strange, tmp_path))

    outcomes = export_each([("onnx", "fp32"), ("openvino", "fp32")], export, lambda *_: {})
    for row, target in zip(build_table(outcomes).rows, ("onnx", "openvino"), strict=True):
        assert str(row[7]) == FAILED
        assert OPERATION in row[8] and f" in {LAYER}. Use another backbone" in row[8]
        assert "fault of the program" not in row[8] and target == row[0]
    with pytest.raises(StageError, match="2 of 2 exports failed"):
        refuse_failures(outcomes)


@pytest.mark.parametrize("error", [OSError(28, "No space left"), MemoryError(), ImportError("x")])
def test_a_machine_that_fails_is_no_students_fault(error: Exception) -> None:
    with pytest.raises(type(error)), blame_student("onnx fp32"):
        raise error


def test_without_a_layer_the_operation_is_told_alone(strange: Student, tmp_path: Path) -> None:
    assert explain_failure(RuntimeError("aten::roll\nis unknown.")) == (
        "RuntimeError: aten::roll is unknown"
    )
    traced = trace_nchw_model(make_job(strange, tmp_path), None)
    found = locate_operations(traced, {"aten::special_bessel_j0", "aten::absent"})
    assert found == ["aten::absent", f"aten::special_bessel_j0 in {LAYER}"]
