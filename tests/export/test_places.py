"""Bundles beside a run, students without one, and folders that are nobody's to replace."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from export.command import list_touched, refuse_stray_options
from export.places import LoneStudent, RedirectedRun, refuse_foreign_folders
from gazeclip.errors import ConfigError, StageError
from gazeclip.files.atomic import write_json
from gazeclip.run.execute import execute


def test_only_bundles_are_redirected(tmp_path: Path) -> None:
    run = RedirectedRun(tmp_path / "run", tmp_path / "out")
    assert run.folder("student") == tmp_path / "run" / "student"
    assert run.folder("export/onnx-fp32") == tmp_path / "out" / "onnx-fp32"
    assert run.partial("export/onnx") == tmp_path / "out" / ".onnx.partial"
    assert run.name == "run"


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Path]:
    """The folders of a student and of its quantized encoder."""
    folders = {name: tmp_path / f"my {name}" for name in ("student", "quantized")}
    for folder in folders.values():
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"weights")
        (folder / "config.json").write_text("{}")
    return folders


def test_parts_without_a_run_are_known_by_their_content(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    run = LoneStudent(tmp_path / "out", parts["student"], parts["quantized"], "d" * 64)
    assert run.folder("quantized") == parts["quantized"]
    assert run.folder("export/onnx") == tmp_path / "out" / "onnx"
    assert run.output_hash("data") == "d" * 64
    before = run.output_hash("student")
    assert before == run.output_hash("quantized")  # the same files
    (parts["student"] / "notes.txt").write_text("not read")
    (parts["student"] / "manifest.json").write_text("{}")
    assert run.output_hash("student") == before
    (parts["student"] / "model.safetensors").write_bytes(b"weightz")
    assert run.output_hash("student") != before
    assert run.manifest("quantized")["config"] == {}
    made = {"quantize": {"overflow_fix": False}}
    (parts["quantized"] / "manifest.json").write_text(json.dumps({"config": made}))
    assert run.manifest("quantized")["config"] == made
    without = LoneStudent(tmp_path / "out", parts["student"], None, "d" * 64)
    with pytest.raises(StageError, match="'quantized'"):
        without.output_hash("quantized")


def test_an_export_without_a_run_is_up_to_date_until_a_part_changes(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    run = LoneStudent(tmp_path / "out", parts["student"], None, "d" * 64)

    def export() -> bool:
        inputs = {name: run.output_hash(name) for name in ("student", "data")}
        return execute(run, "export/onnx", config={}, inputs=inputs, body=lambda folder: {})

    assert export() and not export()
    assert run.output_hash("export/onnx")
    (parts["student"] / "model.safetensors").write_bytes(b"weightz")
    with pytest.raises(StageError, match="another 'student'"):
        run.output_hash("export/onnx")
    assert export()


def test_folders_of_others_are_not_replaced(tmp_path: Path) -> None:
    run = RedirectedRun(tmp_path / "run", tmp_path / "out")
    stages = list_touched([("onnx", "int8")])
    assert stages == ["export/onnx", "export/onnx-fp32"]
    refuse_foreign_folders(run, stages)
    for name in ("onnx", "onnx-fp32"):
        (tmp_path / "out" / name).mkdir(parents=True)
    refuse_foreign_folders(run, stages)  # empty
    (tmp_path / "out" / "onnx" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="onnx is there already and is no bundle"):
        refuse_foreign_folders(run, stages)
    write_json(tmp_path / "out" / "onnx" / "manifest.json", {"stage": "export/tflite"})
    with pytest.raises(ConfigError, match="onnx is there already and is no bundle"):
        refuse_foreign_folders(run, stages)
    write_json(tmp_path / "out" / "onnx" / "manifest.json", {"stage": "export/onnx"})
    refuse_foreign_folders(run, stages)
    (tmp_path / "out" / "onnx-fp32").rmdir()
    (tmp_path / "out" / "onnx-fp32").write_text("a file")
    with pytest.raises(ConfigError, match="onnx-fp32 is there already"):
        refuse_foreign_folders(run, stages)


WHOLE: dict[str, Any] = {
    "checkpoint": Path("student"),
    "out": Path("out"),
    "manifest": Path("faces.csv"),
    "taxonomy": None,
    "quantized": None,
    "bank": None,
    "run": None,
    "precision": None,
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"manifest": None}, "has no images for them.*trained by with --manifest"),
        ({"out": None}, "Name a folder for them with --out"),
        ({"run": Path("runs/demo")}, "name two students"),
        ({"precision": ["fp32", "int8"]}, "int8 needs a quantized encoder.*--quantized"),
        ({"checkpoint": None}, "--manifest without --checkpoint"),
    ],
)
def test_what_a_student_without_a_run_lacks_is_told(changes: dict[str, Any], words: str) -> None:
    refuse_stray_options(argparse.Namespace(**WHOLE))
    with pytest.raises(ConfigError, match=words):
        refuse_stray_options(argparse.Namespace(**(WHOLE | changes)))
