"""`gazeclip zoo`: lists what a record holds, measures what it lacks, and fails by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.zoo import command
from benchmarks.zoo.outcome import FAILED, OK
from benchmarks.zoo.record import Record, describe_session, read_record
from gazeclip.cli.verbs import run_verb
from gazeclip.console.tables import MISSING
from gazeclip.errors import ArtifactError, ConfigError, StageError
from gazeclip.networks.zoo import ZooStudent

GOOD = {
    "state": OK,
    "step": None,
    "why": None,
    "export_s": 3.2,
    "peak_mb": 900,
    "bytes": 1_234_567,
    "integer": 50,
    "convolutions": 52,
    "engine": "onnxruntime",
    "parity": {"embedding_cosine_min": 0.99812, "prob_max_abs": 0.034},
    "latency_ms": 1.25,
}
BAD = {"state": FAILED, "step": "convert", "why": "aten::roll in backbone.stages.1 is unknown"}
_FACTS = {"size": 224, "fold_error": 3.4e-6, "parameters": 11_200_000, "macs": 1_814_000_000}


@pytest.fixture
def figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo of two students, of which one has two cells."""
    zoo = {name: ZooStudent(name) for name in ("resnet18", "resnet34")}
    monkeypatch.setattr(command, "read_zoo", lambda: zoo)
    record = Record()
    record.begin_session(describe_session("none", 0))
    record.describe_student("resnet18", _FACTS)
    record.add_cell("resnet18", "onnx-int8", GOOD)
    record.add_cell("resnet18", "coreml-int8", BAD)
    path = tmp_path / "figures.json"
    record.save(path)
    return path


def _run(*options: str) -> int:
    return run_verb("zoo", list(options), "gazeclip zoo")


def test_the_overview_shows_what_was_measured(
    figures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("--figures", str(figures)) == 0
    shown = capsys.readouterr().out
    (row,) = [line for line in shown.splitlines() if "resnet18" in line]
    assert row.split()[:5] == ["resnet18", "224", "11.20", "1814.00", "3.4e-06"]
    assert "50 of 52" in row and "1.23" in row
    (other,) = [line for line in shown.splitlines() if "resnet34" in line]
    # three facts, two figures of each of four targets, and the times of one
    assert other.split() == ["resnet34", "224", *[MISSING] * (3 + 2 * 4 + 1)]
    assert "onnx" in shown and "1.25" in row
    assert "measured 20" in shown and "random weights, taught for 80 steps" in shown


@pytest.mark.parametrize(("load", "busy"), [([0.1, 2.0, 2.0], False), ([4.2, 0.1, 0.1], True)])
def test_times_taken_beside_other_work_say_so(
    load: list[float], busy: bool, figures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = read_record(figures)
    record.sessions[0]["machine"]["load_average"] = load
    record.save(figures)
    assert _run("--figures", str(figures)) == 0
    assert ("beside other work (load 4.2)" in capsys.readouterr().out) is busy


def test_one_student_shows_every_export_and_why_not(
    figures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("resnet18", "--figures", str(figures)) == 0
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "onnx int8 1.23 50 of 52 0.99812 3.4e-02 1.25 3 900 ok" in rows
    (failed,) = [row for row in rows if row.startswith("coreml int8")]
    assert "failed" in failed and BAD["why"] in failed
    assert any(row.startswith("tflite int8") and row.endswith("not measured") for row in rows)


def test_a_time_beside_other_work_is_marked(
    figures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = read_record(figures)
    record.add_times("resnet18", "onnx-int8", {"latency_ms": 9.5, "disturbed": True})
    record.save(figures)
    assert _run("resnet18", "--figures", str(figures)) == 0
    assert "9.50 (disturbed)" in capsys.readouterr().out


def test_the_forms_for_other_programs(figures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("--json", "--figures", str(figures)) == 0
    assert json.loads(capsys.readouterr().out)["students"]["resnet18"]["macs"] == 1_814_000_000
    assert _run("--markdown", "resnet18", "--target", "onnx", "--figures", str(figures)) == 0
    assert "| onnx | int8 | 1.23 | 50 of 52 |" in capsys.readouterr().out


def _measure_with(cell: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let measuring give this cell; the exports that were asked for."""
    asked: list[str] = []

    def measure(
        record: Record, entry: ZooStudent, pairs: Any, weights: str, seed: int, tell: Any
    ) -> None:
        for target, precision in pairs:
            asked.append(f"{entry.name} {target} {precision}")
            record.add_cell(entry.name, f"{target}-{precision}", cell)
            tell(f"{entry.name} {target} {precision}: {cell['state']}")

    monkeypatch.setattr("benchmarks.zoo.measure.measure_student", measure)
    return asked


def test_measuring_goes_on_where_it_was_stopped(
    figures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _measure_with(GOOD, monkeypatch)
    options = ("--target", "onnx", "--target", "openvino", "--precision", "int8")
    assert _run("--measure", "resnet18", *options, "--out", str(figures)) == 0
    assert asked == ["resnet18 openvino int8"]
    record = read_record(figures)
    assert [student["session"] for student in record.students["resnet18"]["cells"].values()] == [
        0,
        0,
        1,
    ]
    assert _run("--measure", "resnet18", *options, "--out", str(figures)) == 0
    assert len(asked) == 1 and len(read_record(figures).sessions) == 2


ONE = ("--measure", "resnet18", "--target", "onnx", "--precision", "int8")


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.sessions[0].update(weights="timm"),
        lambda record: record.sessions[0].update(seed=1),
        lambda record: record.sessions[0].pop("lesson_steps"),
        lambda record: record.sessions[0]["versions"].update(numpy="1.0"),
        lambda record: record.sessions[0]["machine"].update(cpu="another"),
        lambda record: record.students["resnet18"].update(size=192),
        lambda record: record.students["resnet18"]["cells"]["onnx-int8"].update(BAD),
        lambda record: record.students["resnet18"]["cells"]["onnx-int8"].pop("latency_ms"),
    ],
    ids=["weights", "seed", "lesson", "versions", "machine", "size", "failure", "no times"],
)
def test_what_was_measured_otherwise_is_measured_again(
    change: Callable[[Record], object], figures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _measure_with(GOOD, monkeypatch)
    record = read_record(figures)
    record.sessions[0]["machine"]["load_average"] = [7.0, 7.0, 7.0]  # no reason by itself
    record.save(figures)
    assert _run(*ONE, "--out", str(figures)) == 0 and asked == []
    change(record)
    record.save(figures)
    assert _run(*ONE, "--out", str(figures)) == 0 and asked == ["resnet18 onnx int8"]


def test_a_file_that_is_not_there_is_no_empty_table(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"there is no file .*typo\.json"):
        _run("--figures", str(tmp_path / "typo.json"))


def test_an_export_that_fails_is_named_with_operation_and_layer(
    figures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _measure_with(BAD, monkeypatch)
    options = ("--measure", "resnet34", "--target", "onnx", "--precision", "int8")
    with pytest.raises(StageError) as caught:
        _run(*options)
    assert caught.value.exit_code == 2
    assert caught.value.message == f"resnet34 onnx int8 fails: {BAD['why']}"


def test_a_known_failure_is_an_error_too(figures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"resnet18": ZooStudent("resnet18", 224, {"onnx-int8": "aten::roll"})}
    monkeypatch.setattr(command, "read_zoo", lambda: known)
    _measure_with(BAD, monkeypatch)
    with pytest.raises(StageError, match="resnet18 cannot be onnx int8: aten::roll in backbone"):
        _run("--measure", "resnet18", "--target", "onnx", "--precision", "int8")


def test_options_that_do_not_go_together(figures: Path) -> None:
    with pytest.raises(ConfigError, match="--out is where --measure writes"):
        _run("--out", str(figures))
    with pytest.raises(ConfigError, match="onnx cannot be exported as fp16"):
        _run("--target", "onnx", "--precision", "fp16")
    with pytest.raises(ConfigError, match="no 'resnet19' in the zoo"):
        _run("resnet19")
