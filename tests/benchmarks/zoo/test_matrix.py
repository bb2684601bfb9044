"""The matrix itself: what the zoo promises is exported, compared and counted anew.

A release of a converter that breaks a cell fails here, and one that mends a cell does too, so that
the zoo's file says what is true.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.zoo import cell as module
from benchmarks.zoo import measure
from benchmarks.zoo.cell import measure_cell
from benchmarks.zoo.measure import (
    FOLDING_BOUND,
    count_parameters,
    count_student,
    measure_folding,
    measure_student,
)
from benchmarks.zoo.outcome import FAILED, OK, find_surprise
from benchmarks.zoo.places import read_subject, write_subject
from benchmarks.zoo.record import Record, describe_session
from benchmarks.zoo.student import Subject, make_subject
from export.batch import Pair
from export.registry import TARGETS
from gazeclip.bundle.layout import OUTPUTS, Precision
from gazeclip.networks.zoo import ZooStudent, read_zoo
from quantize.fuse import prepare_encoder
from tests.benchmarks.zoo.holding import hold_cell
from tests.benchmarks.zoo.shrink import SMALL, SMALLEST, shrink
from tests.collecting import skip_without

skip_without("nncf")
skip_without("onnx")


@pytest.fixture(scope="module")
def smallest(quantizers: None) -> Subject:
    return make_subject(shrink(SMALLEST))


@pytest.mark.parametrize("precision", TARGETS["onnx"].precisions)
def test_the_smallest_student_as_onnx(
    smallest: Subject, tmp_path: Path, precision: Precision
) -> None:
    hold_cell(smallest, SMALLEST, "onnx", precision, tmp_path)


def test_folding_keeps_the_smallest_student(smallest: Subject) -> None:
    assert measure_folding(smallest) < FOLDING_BOUND


def test_its_processes_read_the_same_subject(smallest: Subject, tmp_path: Path) -> None:
    write_subject(tmp_path, smallest)
    found = read_subject(tmp_path)
    assert (found.probes == smallest.probes).all()
    images = found.student.normalise(torch.from_numpy(found.probes[:2]).permute(0, 3, 1, 2))
    with torch.no_grad():
        assert torch.equal(found.quantized(images), smallest.quantized(images))
        wanted = smallest.student.head(smallest.student.encoder(images))
        again = found.student.head(found.student.encoder(images))
    assert all(torch.equal(getattr(again, name), getattr(wanted, name)) for name in OUTPUTS)


def test_a_converter_that_fails_leaves_a_cell_that_says_why(
    smallest: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(job: Any) -> Any:
        raise NotImplementedError("aten::roll\nis unknown.")

    monkeypatch.setattr(module, "load_target", lambda name: SimpleNamespace(export=export))
    cell = measure_cell(smallest, "onnx", "fp32", tmp_path)
    assert (cell["state"], cell["step"]) == (FAILED, "convert")
    assert cell["why"] == "NotImplementedError: aten::roll is unknown"
    surprise = find_surprise(read_zoo()[SMALLEST], "onnx", "fp32", cell)
    assert surprise.startswith(f"{SMALLEST} onnx fp32 fails: NotImplementedError")


def test_a_file_that_drifted_fails_where_it_is_compared(
    smallest: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistake(subject: Subject, precision: Precision) -> Any:
        student = subject.student
        with torch.no_grad():
            x = student.normalise(torch.from_numpy(subject.probes).permute(0, 3, 1, 2))
            out = student.head(student.encoder(x.flip(3) * 3))
        return {name: getattr(out, name).numpy() for name in OUTPUTS}

    monkeypatch.setattr(module, "_compute_reference", mistake)
    cell = measure_cell(smallest, "onnx", "fp32", tmp_path)
    assert (cell["state"], cell["step"]) == (FAILED, "compare")
    assert "embedding cosine" in cell["why"] and cell["bytes"] > 0


def test_folding_that_changes_a_student_fails_every_cell(
    smallest: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "make_subject", lambda *_: smallest)
    monkeypatch.setattr(measure, "measure_folding", lambda subject: 10 * FOLDING_BOUND)
    record = Record()
    told: list[str] = []
    measure_student(record, shrink(SMALLEST), [("onnx", "fp32")], "none", 0, told.append)
    cell = record.find_cell(SMALLEST, "onnx-fp32")
    assert cell is not None and (cell["state"], cell["step"]) == (FAILED, "quantize")
    assert "folding moves its features by 1.0e-04" in cell["why"] and cell["why"] in told[0]


def test_a_network_that_timm_lacks_fails_in_every_cell() -> None:
    record = Record()
    told: list[str] = []
    entry = ZooStudent("no_such_network")
    pairs: list[Pair] = [("onnx", "fp32"), ("tflite", "int8")]
    measure_student(record, entry, pairs, "none", 0, told.append)
    why = "timm has no model 'no_such_network'"
    assert told == [f"no_such_network {' '.join(pair)}: {why}" for pair in pairs]
    assert {cell["step"] for cell in record.students[entry.name]["cells"].values()} == {"quantize"}


def test_parameters_are_those_of_the_graph_that_ships(smallest: Subject) -> None:
    counted = count_student(shrink(SMALLEST), smallest)
    folded = prepare_encoder(smallest.student.encoder, SMALL)
    norms = [part for part in folded.modules() if isinstance(part, nn.BatchNorm2d)]
    total = sum(p.numel() for part in (folded, smallest.student.head) for p in part.parameters())
    assert norms == [] and counted["parameters"] == total
    assert counted["macs"] > counted["parameters"]  # weights are used at more than one place


def test_a_parameter_that_two_layers_share_counts_once() -> None:
    first = nn.Linear(3, 5)
    second = nn.Linear(3, 5)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    model.register_buffer("bank", torch.zeros(100))
    assert count_parameters(model) == 3 * 5 + 5 + 5


OTHERS = [name for name in TARGETS if name != "onnx"]


@pytest.mark.slow
@pytest.mark.parametrize("target", OTHERS)
def test_the_smallest_student_elsewhere(smallest: Subject, tmp_path: Path, target: str) -> None:
    for package in TARGETS[target].packages:
        pytest.importorskip(package)
    for precision in TARGETS[target].precisions:
        hold_cell(smallest, SMALLEST, target, precision, tmp_path / precision)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in read_zoo() if name != SMALLEST])
def test_every_other_student_folds_and_is_integer_in_onnx(
    name: str, tmp_path: Path, quantizers: None
) -> None:
    """In full depth; `test_every_target.py` has the other targets and precisions."""
    subject = make_subject(shrink(name))
    assert measure_folding(subject) < FOLDING_BOUND
    hold_cell(subject, name, "onnx", "int8", tmp_path)


@pytest.mark.slow
def test_processes_of_their_own_measure_memory_and_times(
    smallest: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "make_subject", lambda *_: smallest)
    record = Record()
    record.begin_session(describe_session("none", 0))
    pairs: list[Pair] = [("onnx", "fp32"), ("openvino", "w8")]
    told: list[str] = []
    measure_student(record, shrink(SMALLEST), pairs, "none", 0, told.append)
    for pair in pairs:
        cell = record.find_cell(SMALLEST, "-".join(pair))
        assert cell is not None and cell["state"] == OK, cell
        assert cell["peak_mb"] is None or cell["peak_mb"] > 100
        assert cell["latency_ms"] > 0 and cell["export_s"] > 0
    assert told[-1].startswith(f"{SMALLEST}: 2 files timed side by side")
