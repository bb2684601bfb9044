"""`gazeclip export --target all --precision all`: what it asks for, and the table that it prints.

What a target writes is tested with the targets, and whole exports with `tests/test_end_to_end.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from export.__main__ import main
from export.registry import TARGETS
from gazeclip.errors import ConfigError, StageError
from gazeclip.files.atomic import write_json
from gazeclip.run.folder import Run
from gazeclip.run.stages import bundle_stage
from tests.export.test_batch import make_record

EVERY = [(name, kind) for name, entry in TARGETS.items() for kind in entry.precisions]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is asked of the stage from now on; it leaves a record, and fails for one file."""
    found: list[tuple[str, str]] = []

    def export_one(exporter: Any, target: str, precision: str, force: bool = False) -> bool:
        found.append((target, precision))
        if (target, precision) == ("tflite", "fp16"):
            raise StageError("tflite fp16 cannot be written: no such operation in encoder.conv")
        stage = bundle_stage(target, precision)
        folder = exporter.run.folder(stage)
        folder.mkdir(parents=True)
        write_json(folder / "manifest.json", {"stage": stage, "inputs": {}, **make_record()})
        return True

    monkeypatch.setattr("export.stage.export_one", export_one)
    return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """One whose student and quantized student are there, as far as a record can tell."""
    made = Run(tmp_path / "run")
    for stage in ("student", "quantized"):
        made.folder(stage).mkdir(parents=True)
        write_json(made.folder(stage) / "manifest.json", {"inputs": {}, "outputs": {}})
    write_json(made.root / "recipe.yaml", {"name": "run"})  # JSON is YAML
    return made


def test_all_of_all_is_asked_for_and_told(
    run: Run, asked: list[tuple[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundles"
    words = ["--run", str(run.root), "--out", str(out), "--target", "all", "--precision", "all"]
    with pytest.raises(StageError, match=f"1 of {len(EVERY)} exports failed: tflite fp16"):
        main(words)
    assert sorted(asked) == sorted(EVERY)
    told = capsys.readouterr().out.splitlines()
    for target, precision in EVERY:
        (row,) = [line for line in told if line.split()[:2] == [target, precision]]
        if (target, precision) == ("tflite", "fp16"):
            assert "failed" in row and "no such operation in encoder.conv" in row
            continue
        folder = out / bundle_stage(target, precision).removeprefix("export/")
        assert " ok" in row and str(folder) in told and folder.is_dir()
    assert not run.folder("export").exists()  # the run is only read


def test_what_no_target_writes_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """The run does not even exist."""
    words = ["--run", str(tmp_path / "none"), "--target", "onxx", "--precision", "all"]
    with pytest.raises(ConfigError, match="Did you mean 'onnx'"):
        main(words)
