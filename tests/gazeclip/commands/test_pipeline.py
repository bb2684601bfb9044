"""What the whole run refuses before its first stage."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from gazeclip.commands import pipeline
from gazeclip.errors import StageError
from gazeclip.recipe.shipped import find_recipe
from gazeclip.run.folder import Run

MISSING = StageError("training on the GPU needs nvcc", remedy="Install it, or use the CPU")


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stages that would have been run, on a machine with a GPU and no nvcc."""
    called: list[str] = []
    setup = importlib.import_module("quantize.nncf_setup")
    monkeypatch.setattr(setup, "missing_compiler", lambda: MISSING)
    monkeypatch.setattr(pipeline, "preflight", lambda recipe: None)
    monkeypatch.setattr(pipeline, "dry_run", lambda recipe, run: None)
    monkeypatch.setattr(pipeline, "run_stage", lambda run, name, force: called.append(name))
    return called


def test_a_gpu_without_its_compiler_is_refused_before_the_first_stage(
    stages: list[str], tmp_path: Path
) -> None:
    with pytest.raises(StageError, match="needs nvcc") as caught:
        pipeline.run_recipe(find_recipe("demo"), [], tmp_path / "run")
    assert str(caught.value.remedy).startswith("Install it, or use the CPU")
    assert "gazeclip teacher" in str(caught.value.remedy)
    assert stages == []
    assert (tmp_path / "run/recipe.yaml").is_file()  # for the commands of single stages


def test_what_was_quantized_on_the_cpu_need_not_be_again(
    stages: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Run, "manifest", lambda run, stage: {"stage": stage})
    pipeline.run_recipe(find_recipe("demo"), [], tmp_path / "run")
    assert stages == list(pipeline.STAGES)
    assert "warning: training on the GPU needs nvcc" in capsys.readouterr().err
