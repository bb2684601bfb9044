"""What would fail hours later is refused at once: all together, before anything is written."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gazeclip.commands.pipeline import run_recipe
from gazeclip.commands.preflight import preflight
from gazeclip.errors import ConfigError
from gazeclip.faces.generators import LABELS
from gazeclip.recipe.load import load_recipe, parse_recipe
from gazeclip.recipe.shipped import find_recipe
from gazeclip.recipe.stages import Recipe

SMALL = "mobilenetv4_conv_small"


def recipe(**groups: Any) -> Recipe:
    """The demo's networks with some groups of keys replaced."""
    model = {"backbone": SMALL, "width": 32, "heads": 2, "embed_dim": 32}
    return parse_recipe(
        {
            "name": "x",
            "teacher": {"model": model},
            "student": {"backbone": SMALL, "weights": "teacher"},
            **groups,
        }
    )


def refusal(subject: Recipe) -> str:
    with pytest.raises(ConfigError) as caught:
        preflight(subject)
    return str(caught.value)


def teacher(**model: Any) -> dict[str, Any]:
    return {"model": {"backbone": SMALL, "width": 32, "heads": 2, "embed_dim": 32, **model}}


def test_the_demo_may_run() -> None:
    preflight(load_recipe(find_recipe("demo")))


@pytest.mark.checkout
def test_real_photographs_need_a_manifest_and_a_gaze_encoder(tmp_path: Path) -> None:
    message = refusal(load_recipe(find_recipe("real")))
    assert (
        "data.manifest is not set, and taxonomy 'dfad' is not that of the procedural faces"
        in message
    )
    assert "--set data.manifest=MANIFEST.csv (docs/data.md)" in message
    assert "teacher.model.gaze.kind=eth-xgaze needs a weight file" in message
    files = [tmp_path / "m.csv", tmp_path / "g.pth"]
    for file in files:
        file.touch()
    named = [f"data.manifest={files[0]}", f"teacher.model.gaze.weights={files[1]}"]
    rest = [
        "baseline.enabled=false",
        "teacher.model.backbone_weights=none",
    ]  # without the package of ImageNet weights
    preflight(load_recipe(find_recipe("real"), named + rest))
    # Who has no weights of a gaze encoder is told what to do, and that is enough.
    assert "--set teacher.model.gaze.kind=none" in message
    named[1] = "teacher.model.gaze.kind=none"
    preflight(load_recipe(find_recipe("real"), named + rest))


def test_a_taxonomy_that_has_the_faces_goes_with_them(tmp_path: Path) -> None:
    entries: dict[str, dict[str, Any]] = {
        name: {"category": label.category, "family": label.family}
        for name, label in LABELS.items()
        if name != "real"
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump({"generators": entries}))
    preflight(recipe(data={"taxonomy": str(tmp_path / "t.yaml")}))
    entries["swap_gan"]["seen"] = False  # the faces of train have it
    (tmp_path / "t.yaml").write_text(yaml.safe_dump({"generators": entries}))
    assert "data.manifest is not set" in refusal(
        recipe(data={"taxonomy": str(tmp_path / "t.yaml")})
    )


def test_nothing_is_written_before_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    earlier = tmp_path / "runs/real/recipe.yaml"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("of an earlier run")
    with pytest.raises(ConfigError, match=r"data\.manifest is not set"):
        run_recipe(find_recipe("real"), [])
    assert earlier.read_text() == "of an earlier run"
    with pytest.raises(ConfigError):
        run_recipe(find_recipe("real"), ["name=other"])
    assert not (tmp_path / "runs/other").exists()


@pytest.mark.parametrize(
    ("groups", "what"),
    [
        ({"data": {"manifest": "none.csv"}}, "manifest none.csv does not exist. Make one"),
        ({"data": {"taxonomy": "demmo"}}, "unknown taxonomy 'demmo'. Did you mean 'demo'?"),
        (
            {"data": {"faces": {"identities": 3, "val_real": 0}}},
            "identities 3 is below 40, too few for five separate pools; val_real 0",
        ),
        ({"teacher": teacher(gaze={"kind": "l2cs"})}, "gaze.kind=l2cs needs a weight file"),
        ({"teacher": teacher(gaze={"weights": "no.pth"})}, "gaze.weights no.pth does not exist"),
        ({"teacher": teacher(deep_prompts=5)}, "deep_prompts=5, but the image tower has 4 blocks"),
        (
            {"teacher": teacher(keep_classifiers=True), "backbone": {"enabled": False}},
            "keep_classifiers keeps those of stage backbone, which is off",
        ),
        (
            {"teacher": teacher(backbone_weights="timmm")},
            "backbone_weights: 'timmm' is neither a file nor one of none, residual, package, timm.",
        ),
        (
            {"teacher": teacher(backbone_weights="package")},
            "no package brings weights for 'mobilenetv4_conv_small'. There are for tf_eff",
        ),
        (
            {"student": {"backbone": "mobilenetv4_conv_smal"}},
            f"timm has no model 'mobilenetv4_conv_smal'. Did you mean '{SMALL}'?",
        ),
        (
            {"student": {"backbone": "%%%"}},
            "timm has no model '%%%'. timm.list_models() names them",
        ),
        (
            {"student": {"backbone": SMALL, "weights": "teach"}},
            "neither a file nor one of none, residual, package, timm, teacher",
        ),
        (
            {"student": {"backbone": "repvit_m0_9", "weights": "teacher"}},
            "backbone repvit_m0_9, and this one has mobilenetv4_conv_small",
        ),
        (
            {"student": {"backbone": "resnetblur50d", "weights": "timm"}},
            "timm has no pretrained weights for 'resnetblur50d'",
        ),
        (
            {"baseline": {"weights": "no.safetensors"}},
            "baseline.weights: 'no.safetensors' is neither a file",
        ),
        (
            {"baseline": {"weights": "backbone"}, "backbone": {"enabled": False}},
            "baseline.weights=backbone starts from stage backbone, which is off",
        ),
        (
            {
                "baseline": {"weights": "backbone"},
                "backbone": {"enabled": True},
                "teacher": teacher(input_size=64),
            },
            f"stage backbone that trains {SMALL} on images as they are, not {SMALL} at 64 px",
        ),
        (
            {
                "baseline": {"weights": "backbone"},
                "backbone": {"enabled": True},
                "student": {"backbone": "repvit_m0_9"},
            },
            f"that trains repvit_m0_9 on images as they are, not {SMALL}. Use other weights",
        ),
        (
            {
                "backbone": {"enabled": False},
                "teacher": teacher(frozen_stride=32, backbone_weights="residual"),
            },
            "frozen_stride=32 would freeze convolutions that nothing has trained",
        ),
        (
            {"export": {"targets": ["onnx", "openvin"]}},
            "export.targets: there is no export target 'openvin'. Did you mean 'openvino'?",
        ),
        (
            {"export": {"targets": ["onnx", "openvino"], "precisions": ["fp16"]}},
            "onnx cannot be exported as fp16, only as fp32, w8, int8",
        ),
    ],
)
def test_single_faults(groups: dict[str, Any], what: str) -> None:
    message = refusal(recipe(**groups))
    assert what in message
    assert "\n" not in message  # one line, and nothing but this


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ({"clip_model": "ViT-B-17"}, "open_clip has no model 'ViT-B-17'. Did you mean 'ViT-B-16'?"),
        (
            {"clip_pretrained": "opnai"},
            "clip_pretrained 'opnai' is neither a file nor a tag of ViT-B-16",
        ),
        ({"clip_model": "small"}, "clip_model=small has no weights 'openai'"),
        ({"clip_model": "small", "clip_pretrained": "none"}, "cannot divide 100 px"),
        ({}, "backbone.enabled trains the CNN of a hybrid"),
        ({}, "student.weights=teacher needs a hybrid teacher"),
    ],
)
def test_clip_teachers(model: dict[str, Any], what: str) -> None:
    assert what in refusal(
        recipe(
            teacher=teacher(tower="clip", **model),
            backbone={"enabled": True},
            data={"image_size": 100},
        )
    )


def test_a_sound_clip_teacher() -> None:
    preflight(recipe(teacher=teacher(tower="clip"), student={"backbone": SMALL}))
    preflight(
        recipe(
            teacher=teacher(tower="clip", clip_model="small", clip_pretrained="none"),
            student={"backbone": SMALL},
        )
    )


def test_all_faults_are_reported_together() -> None:
    message = refusal(
        recipe(
            data={"manifest": "none.csv", "taxonomy": "demmo"},
            teacher=teacher(backbone="mobilenetv4_conv_smal", gaze={"kind": "l2cs"}),
            student={"backbone": SMALL, "weights": "teacher"},
            baseline={"weights": "nothing"},
            export={"precisions": ["fp16", "int8"]},
        )
    )
    expected = (
        "manifest none.csv",
        "gaze.kind=l2cs",
        "teacher.model.backbone: timm",
        "baseline.weights",
        "student.weights=teacher",
        "onnx cannot",
        "unknown taxonomy 'demmo'",
    )
    assert [what for what in expected if what not in message] == []
    assert message.count("\n  - ") == len(expected)
    assert f"{len(expected)} reasons" in message


def test_core_ml_for_a_system_that_is_too_old() -> None:
    message = refusal(recipe(export={"coreml": {"deployment_target": "iOS16"}}))
    assert message == (
        "recipe 'x': export.coreml.deployment_target: int8 needs iOS17 / macOS14, and iOS16 is "
        "older. Use iOS17 / macOS14 or later, or leave int8 out"
    )
    preflight(recipe(export={"coreml": {"deployment_target": "iOS17", "compute_units": "all"}}))


@pytest.mark.checkout
def test_missing_packages_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = {"nncf", "coremltools", "onnxruntime", "jinja2"}
    found = importlib.util.find_spec
    without = lambda name, package=None: None if name in gone else found(name, package)  # noqa: E731
    monkeypatch.setattr("importlib.util.find_spec", without)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # engines are imported, not looked for
    message = refusal(recipe())
    assert (
        "not installed: nncf. Run: make install "
        "(or by hand: python -m gazeclip.system.install_torch && " in message
    )
    assert (
        "not installed: jinja2. Run: python -m pip install -c constraints.txt -e '.[bench]'"
        in message
    )
    assert (
        "not installed: coremltools. Run: python -m pip install -c constraints.txt -e '.[coreml]'"
        in message
    )
    assert (
        "engine onnxruntime: 'onnxruntime' is not installed. "
        "Run: python -m pip install -c constraints.txt -e '.[onnx]'" in message
    )
    preflight_of_others = refusal(recipe(export={"targets": ["openvino"]}))
    assert "coremltools" not in preflight_of_others and "onnxruntime" not in preflight_of_others


def test_a_broken_engine_is_a_fault_with_its_own_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil("onnxruntime", tmp_path, monkeypatch)
    message = refusal(recipe())
    assert "engine onnxruntime: 'onnxruntime' is installed but cannot be imported (a. b)" in message
    assert "pip uninstall -y onnxruntime && " in message
    assert "not installed" not in message and "\n" not in message


def test_a_broken_package_of_the_networks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil("timm", tmp_path, monkeypatch)
    message = refusal(recipe())
    assert "'timm' is installed but cannot be imported (a. b)" in message
    assert "pip uninstall -y timm && " in message and "\n" not in message


def _spoil(package: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one in front of the real one, whose import fails."""
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text("raise OSError('a. b')")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, package, raising=False)


@pytest.mark.checkout
def test_without_torch_the_rest_is_still_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = recipe(data={"manifest": "none.csv"})
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, package=None: None if name == "torch" else found(name, package),
    )
    monkeypatch.setattr(importlib, "import_module", _refuse_torch(importlib.import_module))
    message = refusal(subject)
    assert "not installed: torch. Run: make install" in message
    assert "manifest none.csv does not exist" in message


def _refuse_torch(real: Any) -> Any:
    def import_module(name: str, package: str | None = None) -> Any:
        known = name == "export.registry" or name.startswith("runtimes.engines.")
        assert known, f"{name} needs torch"
        return real(name, package)

    return import_module
