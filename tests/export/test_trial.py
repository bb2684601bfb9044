"""What a backbone cannot do is said before the first stage: which stage, where, what to use."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from export import trial
from gazeclip.commands import dry_run as module
from gazeclip.commands.dry_run import dry_run, is_proven
from gazeclip.errors import ArtifactError, ConfigError, MissingDependencyError, StageError
from gazeclip.files.hashes import name_weights_by_content
from gazeclip.recipe.load import parse_recipe
from gazeclip.recipe.stages import Recipe
from gazeclip.recipe.teacher import GazeConfig
from gazeclip.run.folder import Run

ROOT = Path(__file__).parents[2]
SMALL = "mobilenetv4_conv_small_050"


try_packages = trial._try_packages


@pytest.fixture(autouse=True)
def _quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without importing every converter, which takes seconds."""
    monkeypatch.setattr(trial, "_try_packages", lambda recipe: [])


def recipe(network: str = SMALL, **groups: Any) -> Recipe:
    """Small networks at 64 px; the teacher's backbone is one that works."""
    model = {
        "backbone": SMALL,
        "width": 32,
        "heads": 2,
        "depth": 1,
        "embed_dim": 32,
        "gaze": {"kind": "none"},
    }
    teacher = {"model": model, **groups.pop("teacher", {})}
    student = {"backbone": network, **groups.pop("student", {})}
    return parse_recipe(
        {"name": "x", "data": {"image_size": 64}, "teacher": teacher, "student": student, **groups}
    )


def test_an_image_size_that_a_transformer_refuses() -> None:
    ((what, remedy),) = trial.try_recipe(recipe("vit_tiny_patch16_224"))
    assert what.startswith(
        "stage student would fail: vit_tiny_patch16_224 at 64 px: AssertionError: "
    )
    assert "Input height (64) doesn't match model (224)" in what and "\n" not in what
    assert what.endswith(" in encoder.backbone.patch_embed")
    assert (
        "--set student.backbone=mobilenetv4_conv_small" in remedy
        and "tf_efficientnet_lite0" in remedy
    )


def test_the_teachers_backbone_is_tried_too() -> None:
    model = {
        "backbone": "vit_tiny_patch16_224",
        "width": 32,
        "heads": 2,
        "depth": 1,
        "embed_dim": 32,
    }
    found = trial._try_teacher(recipe(teacher={"model": model}))
    assert found[0][0].startswith("stage teacher would fail: vit_tiny_patch16_224 at 64 px: ")


@pytest.mark.parametrize("key", ["student", "baseline", "teacher", "backbone"])
def test_batch_normalisation_of_one_image(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_try_shipping", lambda *_: [])
    switch = {"enabled": True} if key == "backbone" else {}
    ((what, remedy),) = trial.try_recipe(recipe(**{key: {"train": {"batch_size": 1}, **switch}}))
    assert (
        what.startswith(f"{key}.train.batch_size=1, and batch normalisation (")
        and "needs two images" in what
    )
    assert remedy == f"Use --set {key}.train.batch_size=2 or more"
    assert trial.try_recipe(recipe(**{key: {"train": {"batch_size": 2}, **switch}})) == []


def test_an_export_that_fails_names_target_and_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    def rehearse(job: Any) -> None:
        raise StageError("the weight of 'norm1' is not symmetric int8", remedy="Quantize again")

    monkeypatch.setattr(trial, "quantize_encoder", lambda encoder, *_, **__: encoder)
    monkeypatch.setattr(
        trial.registry, "load_target", lambda target: SimpleNamespace(rehearse=rehearse)
    )
    ((what, remedy),) = trial.try_recipe(
        recipe(export={"targets": ["onnx"], "precisions": ["int8"]})
    )
    assert what.startswith(f"stage export would fail for onnx int8: {SMALL} at 64 px: ")
    assert what.endswith("the weight of 'norm1' is not symmetric int8")
    assert (
        "student.backbone=mobilenetv4_conv_small" in remedy
        and "leave onnx out" in remedy
        and "again" not in remedy
    )


def test_the_targets_share_one_stripped_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripping takes seconds; a precision in float needs none."""
    jobs: list[Any] = []
    monkeypatch.setattr(trial, "quantize_encoder", lambda encoder, *_, **__: encoder)
    monkeypatch.setattr(
        trial.registry, "load_target", lambda target: SimpleNamespace(rehearse=jobs.append)
    )
    chosen = {"targets": ["onnx", "coreml", "tflite"], "precisions": ["int8"]}
    assert trial.try_recipe(recipe(export=chosen)) == []
    assert len(jobs) == 3 and jobs[0].stripped is not None
    assert {id(job.stripped) for job in jobs} == {id(jobs[0].stripped)}


@pytest.mark.parametrize("error", [OSError(28, "No space left"), MemoryError(), ArtifactError("x")])
@pytest.mark.parametrize("step", ["quantized", "export"])
def test_a_fault_of_the_machine_is_none_of_the_recipe(
    error: Exception, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_with(error, step, monkeypatch)
    with pytest.raises(type(error)):
        trial.try_recipe(recipe(export={"targets": ["onnx"], "precisions": ["fp32"]}))


@pytest.mark.parametrize("step", ["quantized", "export"])
def test_a_broken_package_keeps_its_own_remedy(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = MissingDependencyError("'x' is broken", remedy="Run: pip")
    _fail_with(error, step, monkeypatch)
    found = trial.try_recipe(recipe(export={"targets": ["onnx"], "precisions": ["fp32"]}))
    assert found == [("'x' is broken", "Run: pip")]


def _fail_with(error: Exception, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    quantize = fail if step == "quantized" else lambda encoder, *_, **__: encoder
    monkeypatch.setattr(trial, "quantize_encoder", quantize)
    target = SimpleNamespace(rehearse=fail)
    monkeypatch.setattr(trial.registry, "load_target", lambda name: target)


def test_a_converter_that_is_broken_is_named_before_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spoiled_writer").mkdir()
    (tmp_path / "spoiled_writer/__init__.py").write_text("raise ImportError('no symbol')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(trial, "_try_packages", try_packages)
    monkeypatch.setattr(trial, "STAGE_PACKAGES", {"train": ("spoiled_writer",), "bench": ()})
    entry = replace(trial.registry.TARGETS["onnx"], packages=("spoiled_writer",))
    monkeypatch.setitem(trial.registry.TARGETS, "onnx", entry)
    found = trial.try_recipe(recipe(export={"targets": ["onnx"]}))
    assert len(found) == 2
    for what, remedy in found:
        assert what == "'spoiled_writer' is installed but cannot be imported (no symbol)"
        assert "pip uninstall -y spoiled-writer && " in remedy


def test_the_small_gaze_encoder_needs_two_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_try_shipping", lambda *_: [])
    subject = recipe(teacher={"gaze_train": {"batch_size": 1}})
    assert trial.try_recipe(subject) == []  # it has no gaze encoder
    model = replace(subject.teacher.model, gaze=GazeConfig("small"))
    subject = replace(subject, teacher=replace(subject.teacher, model=model))
    ((what, remedy),) = trial.try_recipe(subject)
    assert what.startswith("teacher.gaze_train.batch_size=1, and batch normalisation (")
    assert remedy == "Use --set teacher.gaze_train.batch_size=2 or more"


def test_all_cnns_of_the_teacher_are_looked_at() -> None:
    teacher = {"train": {"batch_size": 1}}
    one = recipe(teacher=teacher)
    model = replace(one.teacher.model, extra_sizes=(96,))
    two = replace(one, teacher=replace(one.teacher, model=model))
    ((alone, _),) = trial._try_teacher(one)
    ((both, _),) = trial._try_teacher(two)
    layers = [1 + int(what.partition(" more)")[0].split()[-1]) for what in (alone, both)]
    assert layers[1] == 2 * layers[0]


def test_the_small_clip_tower_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = recipe()
    model = replace(subject.teacher.model, tower="clip", clip_model="small", clip_pretrained="none")
    subject = replace(subject, teacher=replace(subject.teacher, model=model))
    assert trial._try_teacher(subject) == []

    def refuse(*_: Any) -> Any:
        raise AssertionError("width must be divisible by heads")

    monkeypatch.setattr("gazeclip.teacher.image.clip.small_visual", refuse)
    ((what, _),) = trial._try_teacher(subject)
    assert what.startswith("stage teacher would fail: clip_model=small at 64 px: AssertionError")


@pytest.mark.slow
def test_a_backbone_whose_weights_no_engine_takes_as_integers() -> None:
    ((what, _),) = trial.try_recipe(
        recipe("mobilevitv2_050", export={"targets": ["onnx"], "precisions": ["int8"]})
    )
    assert "stage export would fail for onnx int8: mobilevitv2_050 at 64 px: the weight of" in what


@pytest.mark.slow
def test_a_backbone_that_works_passes_for_every_target() -> None:
    assert trial.try_recipe(recipe(export={"precisions": ["int8", "fp32"]})) == []


@pytest.mark.slow
def test_it_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    with pytest.raises(
        ConfigError, match="recipe 'x': stage student would fail: vit_tiny_patch16_224 at 64 px"
    ):
        dry_run(recipe("vit_tiny_patch16_224"), Run(tmp_path / "run"))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not (tmp_path / "run").exists()


def test_a_trial_that_dies_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        module.sys, "executable", "/bin/false" if sys.platform != "win32" else "none"
    )
    dry_run(recipe(), Run(tmp_path))
    assert "the dry run itself failed (exit code 1: no words)" in capsys.readouterr().err


def test_without_a_temporary_folder_the_stages_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def refuse(**_: Any) -> Any:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(module.tempfile, "TemporaryDirectory", refuse)
    dry_run(recipe(), Run(tmp_path))
    said = capsys.readouterr().err
    assert "the dry run itself failed (No usable temporary directory found)" in said


def test_what_passed_once_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tried: list[Recipe] = []

    def passes(wanted: Recipe, found: Path, folder: str) -> str:
        tried.append(wanted)
        found.write_text("[]")
        return ""

    monkeypatch.setattr(module, "_try_in_process", passes)
    run = Run(tmp_path / "run")
    once = recipe()
    dry_run(once, run)
    dry_run(once, run)
    dry_run(replace(once, name="y", seed=7), run)
    assert tried == [once]
    others = [recipe("mobilevitv2_050"), recipe(export={"targets": ["onnx"]})]
    others.append(recipe(student={"train": {"batch_size": 1}}))
    for other in others:
        dry_run(other, run)
    assert tried == [once, *others]
    monkeypatch.setattr(module, "read_versions", lambda: {"torch": "0"})
    dry_run(once, run)
    assert tried == [once, *others, once]  # with another torch it is another question


def test_a_weight_file_that_moved_is_the_same_dry_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tried: list[str] = []

    def passes(wanted: Recipe, found: Path, folder: str) -> str:
        tried.append(Path(str(wanted.baseline.weights)).name)
        found.write_text("[]")
        return ""

    monkeypatch.setattr(module, "_try_in_process", passes)
    for name, content in (("here.pth", b"one"), ("there.pth", b"one"), ("other.pth", b"two")):
        (tmp_path / name).write_bytes(content)
        dry_run(recipe(baseline={"weights": str(tmp_path / name)}), Run(tmp_path / "run"))
    assert tried == ["here.pth", "other.pth"]


def test_what_failed_or_died_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    outcomes = ['[["stage student would fail", "Use another one"]]', "", "[]"]

    def next_outcome(wanted: Recipe, found: Path, folder: str) -> str:
        if text := outcomes.pop(0):
            found.write_text(text)
        return "no word"

    monkeypatch.setattr(module, "_try_in_process", next_outcome)
    with pytest.raises(ConfigError, match="stage student would fail"):
        dry_run(recipe(), Run(tmp_path))
    for _ in range(3):
        dry_run(recipe(), Run(tmp_path))
    assert outcomes == []


def test_finished_bundles_of_this_student_are_proof_enough(tmp_path: Path) -> None:
    run, wanted = Run(tmp_path), recipe(export={"targets": ["onnx"], "precisions": ["int8"]})
    assert not is_proven(wanted, run)
    _finish(run, wanted, "student", {"student": module.asdict(wanted.student)})
    _finish(run, wanted, "teacher", {"teacher": module.asdict(wanted.teacher)})
    _finish(run, wanted, "baseline", {"baseline": module.asdict(wanted.baseline)})
    assert not is_proven(wanted, run)
    shipped = {"target": "onnx", "precision": "int8", "contract": {"size": 64}}
    _finish(run, wanted, "export/onnx", shipped, {"student": run.output_hash("student")})
    assert is_proven(wanted, run)
    assert not is_proven(
        recipe("mobilevitv2_050", export={"targets": ["onnx"], "precisions": ["int8"]}), run
    )
    assert not is_proven(recipe(export={"targets": ["onnx"], "precisions": ["int8", "fp32"]}), run)
    _finish(
        run,
        wanted,
        "student",
        {"student": module.asdict(wanted.student)},
        {"other": "1"},
        text="another",
    )
    assert not is_proven(wanted, run)  # the bundle is of the student before


def test_a_weight_file_that_moved_is_proof_as_well(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.root.mkdir()
    chosen = {"targets": ["onnx"], "precisions": ["int8"]}
    wanted = []
    for name, content in (("here.pth", b"one"), ("there.pth", b"one"), ("other.pth", b"two")):
        (tmp_path / name).write_bytes(content)
        weights = {"weights": str(tmp_path / name)}
        wanted.append(recipe(export=chosen, baseline=weights))
    here, there, other = wanted
    for stage in ("student", "teacher", "baseline"):
        named = name_weights_by_content(module.asdict(getattr(here, stage)))
        _finish(run, here, stage, {stage: named})
    shipped = {"target": "onnx", "precision": "int8", "contract": {"size": 64}}
    _finish(run, here, "export/onnx", shipped, {"student": run.output_hash("student")})
    assert is_proven(here, run) and is_proven(there, run)
    assert not is_proven(other, run)


def _finish(
    run: Run,
    wanted: Recipe,
    stage: str,
    config: dict[str, Any],
    inputs: dict[str, str] | None = None,
    text: str = "a",
) -> None:
    from gazeclip.run.execute import execute

    def body(folder: Path) -> dict[str, Any]:
        (folder / "a.txt").write_text(text)
        return {}

    (run.root / "recipe.yaml").touch()
    execute(run, stage, config=config, inputs=inputs or {}, body=body)


# Ends where the hub is first asked for: what is imported after it takes seconds and cannot matter.
IMPORT_UP_TO_THE_HUB = """
import os, sys

class Ends:
    def find_spec(self, name, *_):
        if name == "huggingface_hub.constants":
            sys.meta_path.remove(self)
            from huggingface_hub.constants import HF_HUB_DISABLE_TELEMETRY
            os.write(1, str(HF_HUB_DISABLE_TELEMETRY).encode())
            os._exit(0)

sys.meta_path.insert(0, Ends())
import export.trial
"""


def test_telemetry_is_off_before_any_hub_is_imported() -> None:
    switches = {"HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_UP_TO_THE_HUB],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in switches},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "True"), done.stderr
