"""Which settings give a bundle another name: those that its stages really have in their records."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from distill import cache, student, text_bank
from export.facts import describe_parameters, describe_sources
from export.settings import find_weight_files, hash_settings, list_stages
from export.stage import Exporter, describe_config
from gazeclip.bundle.layout import Precision
from gazeclip.files.atomic import write_json
from gazeclip.recipe.load import load_recipe, save_recipe
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run
from gazeclip.stages import teacher
from quantize import stage as quantized

STAGES = (teacher, text_bank, cache, student, quantized)
Make = Callable[..., Run]


def write_weights(folder: Path) -> dict[str, Any]:
    """Stands for what a stage trains: always the same."""
    for name in ("model", "encoder", "head", "text_bank"):
        (folder / f"{name}.safetensors").write_bytes(name.encode())
    (folder / "config.json").write_text("{}")
    return {}


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A run of a recipe whose stages keep their real records and train nothing."""

    def execute_quickly(run: Run, name: str, **told: Any) -> bool:
        return execute(run, name, **(told | {"body": write_weights}))

    for module in STAGES:
        monkeypatch.setattr(module, "execute", execute_quickly)
    monkeypatch.setattr(Context, "crop", None)

    def build(*overrides: str, place: str = "somewhere") -> Run:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        root.mkdir()
        write_json(root / "given.yaml", {"name": "tiny"})
        save_recipe(load_recipe(root / "given.yaml", overrides), root / "recipe.yaml")
        run = Run(root)
        execute_quickly(run, "data", config={"manifest": place}, inputs={})
        for module in STAGES:
            module.run_stage(run)
        return run

    return build


def tell_settings(run: Run, precision: Precision = "fp32") -> str:
    stages = list_stages(run, "quantized" if precision == "int8" else "student")
    return hash_settings(describe_config(Exporter(run), "onnx", precision), stages)


def test_settings_that_no_model_depends_on_give_the_same_hash(make: Make) -> None:
    own = tell_settings(make())
    for overrides in (
        ("report.bootstrap=200",),
        ("baseline.label_smoothing=0.2",),
        ("export.targets=[tflite]",),
        ("data.workers=2",),
        ("quantize.train.epochs=9",),  # of int8 alone
        ("export.head_weights=fp16", "gate.rounds=300"),  # not of fp32
        ("export.coreml.deployment_target=iOS18",),  # of another target
    ):
        assert tell_settings(make(*overrides)) == own, overrides
    assert tell_settings(make(place="elsewhere")) == own


@pytest.mark.parametrize(
    "override",
    [
        "student.loss.gaze=0.5",
        "student.backbone=mobilenetv4_conv_small_050",
        "teacher.train.epochs=3",
        "cache.augmentations=2",
        "seed=7",
        "data.image_size=64",
        "export.target_miss=0.1",
        "export.text_bank=external",
    ],
)
def test_settings_that_it_depends_on_give_another(make: Make, override: str) -> None:
    assert tell_settings(make(override)) != tell_settings(make())


@pytest.mark.parametrize(
    "override", ["quantize.match=0.5", "export.head_weights=fp16", "gate.rounds=300"]
)
def test_int8_depends_on_more(make: Make, override: str) -> None:
    assert tell_settings(make(override), "int8") != tell_settings(make(), "int8")


def test_weight_files_count_by_what_is_in_them(make: Make, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.safetensors", "b.safetensors", "c.safetensors")]
    for path, data in zip(files, (b"weights", b"weights", b"others"), strict=True):
        path.write_bytes(data)
    first, moved, other = (make(f"student.weights={path}") for path in files)
    assert tell_settings(first) == tell_settings(moved) != tell_settings(other)
    files[0].unlink()  # what a run was made from may be gone
    found = find_weight_files(list_stages(first, "student"))
    assert found == {"student.weights": hashlib.sha256(b"weights").hexdigest()}


def test_sources_are_the_files_that_are_there(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "manifest", FakeManifest())
    context = Context(make())
    config = {"target": "onnx"}
    fp32 = describe_sources(context, "fp32", config)
    assert fp32["text_bank_sha256"] == hashlib.sha256(b"text_bank").hexdigest()
    assert fp32["student_config_sha256"] == hashlib.sha256(b"{}").hexdigest()
    assert fp32["student_sha256"] == hashlib.sha256(b"model").hexdigest()
    more = set(describe_sources(context, "int8", config)) - set(fp32)
    assert more == {"quantized_encoder_sha256", "quantized_head_sha256"}
    # A student that was copied without its run: nobody knows how it was trained.
    for name in ("student", "teacher"):
        (context.run.folder(name) / "manifest.json").unlink()
    assert "settings_sha256" in fp32
    assert "settings_sha256" not in describe_sources(context, "fp32", config)


class FakeManifest:
    """Only its hash is asked for."""

    def hash_file(self) -> str:
        return "f" * 64


def test_parameters_are_what_can_be_chosen(make: Make) -> None:
    exporter = Exporter(make("export.coreml.compute_units=cpu_only", "gate.rounds=300"))
    found: Mapping[str, Any] = describe_parameters(describe_config(exporter, "coreml", "int8"))
    assert set(found) == {
        "text_bank",
        "head_weights",
        "coreml",
        "gate",
        "parity_images",
        "target_miss",
        "seed",
    }
    assert found["text_bank"] == "baked" and found["coreml"] == {"compute_units": "cpu_only"}
    assert found["gate"]["rounds"] == 300
    external = Exporter(exporter.run, text_bank="external")
    fp32 = describe_parameters(describe_config(external, "onnx", "fp32"))
    assert set(fp32) == {"text_bank", "parity_images", "target_miss", "seed"}
    assert fp32["text_bank"] == "external"
