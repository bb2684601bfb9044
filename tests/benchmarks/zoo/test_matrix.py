"""The matrix itself: what the zoo promises is exported, compared and counted anew.

A release of a converter that breaks a cell fails here, and one that mends a cell does too, so that
the zoo's file says what is true.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.measure.latency import LatencyConfig
from benchmarks.zoo import cell as module
from benchmarks.zoo import measure
from benchmarks.zoo.cell import measure_cell, read_subject, write_subject
from benchmarks.zoo.measure import count_parameters, count_student, measure_folding, measure_student
from benchmarks.zoo.outcome import FAILED, OK, find_surprise
from benchmarks.zoo.record import SHIPPED, Record, describe_session, read_record
from benchmarks.zoo.student import Subject, make_subject
from export.batch import Pair
from export.registry import TARGETS
from gazeclip.bundle.layout import OUTPUTS, Precision
from gazeclip.networks.zoo import ZooStudent, name_cell, read_zoo
from quantize.fuse import prepare_encoder
from tests.collecting import skip_without

skip_without("nncf")
skip_without("onnx")
SMALLEST = "mobilenetv4_conv_small_050"
# Those whose maps may have any size are tried small; which operations a graph holds does not
# depend on it.
SMALL = 64
FIXED = {"efficientformerv2_s0"}
# The same sums in another order, through some fifty layers in float32.
FOLDING = 1e-5


def _shrink(name: str) -> ZooStudent:
    entry = read_zoo()[name]
    return entry if name in FIXED else replace(entry, size=SMALL)


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of cells are tested for being there; a process of its own measures in full."""
    short = LatencyConfig(rounds=1, budget_s=0.05, warmup_max_s=0.05, max_repeats=0)
    monkeypatch.setattr(module, "_LATENCY", short)


@pytest.fixture(scope="module")
def smallest(quantizers: None) -> Subject:
    return make_subject(_shrink(SMALLEST))


def _hold(subject: Subject, name: str, target: str, precision: Precision) -> None:
    """A fresh cell is what the zoo promises, and as many convolutions stay in float as recorded.

    How many there are in all depends on the size: the gaze branch halves a larger map once more.
    """
    cell = measure_cell(subject, target, precision)
    assert find_surprise(read_zoo()[name], target, precision, cell) == ""
    known = read_record(SHIPPED).find_cell(name, name_cell(target, precision))
    if known is not None and "integer" in known:
        floats = [each["convolutions"] - each["integer"] for each in (cell, known)]
        assert precision != "int8" or floats[0] == floats[1]


@pytest.mark.parametrize("precision", TARGETS["onnx"].precisions)
def test_the_smallest_student_as_onnx(smallest: Subject, precision: Precision) -> None:
    _hold(smallest, SMALLEST, "onnx", precision)


def test_folding_keeps_the_smallest_student(smallest: Subject) -> None:
    assert measure_folding(smallest) < FOLDING


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
    smallest: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(job: Any) -> Any:
        raise NotImplementedError("aten::roll\nis unknown.")

    monkeypatch.setattr(module, "load_target", lambda name: SimpleNamespace(export=export))
    cell = measure_cell(smallest, "onnx", "fp32")
    assert (cell["state"], cell["step"]) == (FAILED, "convert")
    assert cell["why"] == "NotImplementedError: aten::roll is unknown"
    surprise = find_surprise(read_zoo()[SMALLEST], "onnx", "fp32", cell)
    assert surprise.startswith(f"{SMALLEST} onnx fp32 fails: NotImplementedError")


def test_a_file_that_drifted_fails_where_it_is_compared(
    smallest: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistake(subject: Subject, precision: Precision) -> Any:
        student = subject.student
        with torch.no_grad():
            x = student.normalise(torch.from_numpy(subject.probes).permute(0, 3, 1, 2))
            out = student.head(student.encoder(x.flip(3) * 3))
        return {name: getattr(out, name).numpy() for name in OUTPUTS}

    monkeypatch.setattr(module, "_compute_reference", mistake)
    cell = measure_cell(smallest, "onnx", "fp32")
    assert (cell["state"], cell["step"]) == (FAILED, "compare")
    assert "embedding cosine" in cell["why"] and cell["bytes"] > 0


def test_a_network_that_timm_lacks_fails_in_every_cell() -> None:
    record = Record()
    told = []
    entry = ZooStudent("no_such_network")
    pairs: list[Pair] = [("onnx", "fp32"), ("tflite", "int8")]
    measure_student(record, entry, pairs, "none", 0, lambda *cell: told.append(cell[3]["why"]))
    assert told == ["timm has no model 'no_such_network'"] * 2
    assert {cell["step"] for cell in record.students[entry.name]["cells"].values()} == {"quantize"}


def test_parameters_are_those_of_the_graph_that_ships(smallest: Subject) -> None:
    counted = count_student(_shrink(SMALLEST), smallest)
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
def test_the_smallest_student_elsewhere(smallest: Subject, target: str) -> None:
    for package in TARGETS[target].packages:
        pytest.importorskip(package)
    for precision in TARGETS[target].precisions:
        _hold(smallest, SMALLEST, target, precision)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in read_zoo() if name != SMALLEST])
def test_every_other_student_folds_and_is_integer_in_onnx(name: str, quantizers: None) -> None:
    subject = make_subject(_shrink(name))
    assert measure_folding(subject) < FOLDING
    for precision in TARGETS["onnx"].precisions:
        _hold(subject, name, "onnx", precision)


@pytest.mark.slow
def test_a_process_of_its_own_measures_its_memory(
    smallest: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "make_subject", lambda *_: smallest)
    record = Record()
    record.begin_session(describe_session("none", 0))
    entry = _shrink(SMALLEST)
    measure_student(record, entry, [("onnx", "fp32")], "none", 0, lambda *_: None)
    cell = record.find_cell(SMALLEST, "onnx-fp32")
    assert cell is not None and cell["state"] == OK, cell
    assert cell["peak_mb"] is None or cell["peak_mb"] > 100
    assert cell["latency_ms"] > 0 and cell["export_s"] > 0
