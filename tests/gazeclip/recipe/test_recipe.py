"""Recipes: all faults at once, single values from the command line, and saved as they are read."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from gazeclip.errors import ConfigError
from gazeclip.recipe import shipped
from gazeclip.recipe.load import load_recipe, parse_recipe, save_recipe
from gazeclip.recipe.stages import DistillLoss, Recipe
from gazeclip.recipe.training import AugmentedTrainConfig, TrainConfig

RECIPES = sorted(shipped.FOLDER.glob("*.yaml"))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    return path


def test_all_faults_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_recipe(
            {
                "nane": "x",
                "seed": "many",
                "student": {"bakbone": "x", "train": {"epochs": "ten", "lrr": 1}},
                "export": {"precisions": ["int4"]},
                "cache": 3,
            }
        )
    message = caught.value.message
    for fault in (
        "nane: unknown. Did you mean 'name'?",
        "name: field required",
        "seed: ",
        "student.bakbone: unknown. Did you mean 'backbone'?",
        "student.train.epochs: ",
        "student.train.lrr: unknown. Did you mean 'lr'?",
        "export.precisions.0: ",
        "'int4'",
        "cache: must be a group of keys, got 3",
    ):
        assert fault in message, fault
    assert "gazeclip/recipe lists every key" in str(caught.value)


def refusal(data: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_recipe({"name": "x", **data})
    return caught.value.message


def test_a_faulty_teacher_model_hides_nothing_else() -> None:
    message = refusal(
        {
            "teacher": {"model": {"width": 0, "towr": 1}, "train": {"epochs": 0}},
            "cache": {"shard_size": 0},
        }
    )
    for fault in (
        "width must be at least 1, not 0",
        "teacher.model.towr: unknown",
        "teacher.train.epochs: ",
        "cache.shard_size: ",
    ):
        assert fault in message, fault
    assert message.count("; ") == 3


# Of every number of a recipe the largest value that is too small, or the smallest that is too
# large.
TRAIN = {
    "epochs": 0,
    "batch_size": 0,
    "accumulate": 0,
    "checkpoint_minutes": -0.1,
    "lr": 0,
    "backbone_lr_scale": -1e-9,
    "weight_decay": -1e-9,
    "warmup_epochs": -0.1,
    "ema_decay": 1,
    "clip_norm": 0,
    "patience": 0,
}
LOSS = {
    "embedding": -1,
    "relation": -1,
    "logits": -1,
    "temperature": 0,
    "gaze": -1,
    "attribution": -1,
    "detection": -1,
    "label_smoothing": 1,
}
LIMITS: dict[str, Any] = {
    "seed": -1,
    "data": {"image_size": 31, "workers": -1},
    "backbone": {"train": {**TRAIN, "augment": 3.1}, "label_smoothing": -0.1},
    "teacher": {"train": {**TRAIN, "augment": 3.1}, "gaze_train": {**TRAIN, "augment": -0.1}},
    "baseline": {"train": {**TRAIN, "augment": 3.1}, "label_smoothing": -0.1},
    "cache": {"augmentations": 0, "strength": -0.1, "shard_size": 0, "batch_size": 0},
    "student": {"drop_path": 1, "train": TRAIN, "loss": LOSS},
    "quantize": {
        "calibration_images": 0,
        "teach": -1e-9,
        "match": -1e-9,
        "range_lr_scale": -1e-9,
        "train": TRAIN,
        "loss": LOSS,
    },
    "gate": {
        "max_drop": {
            "auc": -1e-9,
            "cllr": -1e-9,
            "tpr": -1e-9,
            "attribution": -1e-9,
            "gaze_deg": -1e-9,
            "worst_generator": -1e-9,
        },
        "rounds": 99,
    },
    "export": {"targets": [], "precisions": [], "parity_images": 0, "target_miss": 0},
    "report": {
        "threads": -1,
        "latency_seconds": 0,
        "bootstrap": -1,
        "robustness_images": -1,
        "peer_rounds": 0,
        "peer_threads": 0,
    },
}


def keys_of(data: dict[str, Any], prefix: str = "") -> set[str]:
    parts = (
        keys_of(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key}
        for key, value in data.items()
    )
    return set().union(*parts)


def test_all_numbers_have_limits() -> None:
    message = refusal(LIMITS).removeprefix("recipe: ")
    expected = keys_of(LIMITS)
    assert {fault.partition(":")[0] for fault in message.split("; ")} == expected
    assert message.count("; ") == len(expected) - 1


def test_no_number_was_forgotten() -> None:
    def numbers(kind: type, prefix: str = "") -> set[str]:
        hints = get_type_hints(kind)
        found = {
            f"{prefix}{item.name}" for item in fields(kind) if hints[item.name] in (int, float)
        }
        groups = [
            item.name
            for item in fields(kind)
            if is_dataclass(hints[item.name]) and item.name not in ("model", "faces")
        ]
        return found.union(*(numbers(hints[name], f"{prefix}{name}.") for name in groups))

    assert numbers(Recipe) <= keys_of(LIMITS)  # the teacher's model and the faces check themselves
    assert len(numbers(Recipe)) > 70


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(value: float) -> None:
    assert "student.train.lr: " in refusal({"student": {"train": {"lr": value}}})
    assert "report.latency_seconds: " in refusal({"report": {"latency_seconds": value}})


def test_the_limits_themselves_are_allowed() -> None:
    edge = {
        "epochs": 1,
        "checkpoint_minutes": 0,
        "backbone_lr_scale": 0,
        "weight_decay": 0,
        "warmup_epochs": 0,
        "ema_decay": 0,
        "patience": 1,
    }
    recipe = parse_recipe(
        {
            "name": "x",
            "data": {"workers": 0},
            "baseline": {"train": {**edge, "augment": 0}, "label_smoothing": 0},
        }
    )
    assert recipe.baseline.train == AugmentedTrainConfig(**edge, augment=0)
    assert parse_recipe(
        {"name": "x", "student": {"loss": dict.fromkeys(("gaze", "logits", "relation"), 0)}}
    ).student.loss == DistillLoss(gaze=0, logits=0, relation=0)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../x", "/tmp/x", "a\\b", ".hidden", " x", "x\0"]
)
def test_a_name_is_a_plain_folder_name(name: str) -> None:
    assert refusal({"name": name, "seed": -1}).startswith(
        "recipe: name: must be a plain folder name, got "
    )


@pytest.mark.parametrize("name", ["demo", "real-2", "run.3", "a b", "ä"])
def test_plain_names(name: str) -> None:
    assert parse_recipe({"name": name}).name == name


def test_a_bare_no_is_explained() -> None:
    assert "write 'no' in quotes" in refusal(
        {"student": {"train": yaml.safe_load("{precision: no}")}}
    )


def test_augmentation_can_be_set_only_where_it_is_used() -> None:
    message = refusal(
        {
            name: {"train": {"augment": 0.5}}
            for name in ("teacher", "baseline", "student", "quantize")
        }
    )
    assert (
        "student.train.augment: unknown" in message and "quantize.train.augment: unknown" in message
    )
    assert "teacher" not in message and "baseline" not in message


def test_a_group_given_in_part_keeps_the_defaults_of_its_stage() -> None:
    recipe = parse_recipe(
        {
            "name": "x",
            "quantize": {"train": {"epochs": 7}},
            "teacher": {"gaze_train": {"epochs": 3}, "train": {"lr": 0.01}},
        }
    )
    assert recipe.quantize.train == TrainConfig(
        epochs=7, lr=5e-5, weight_decay=0.0, warmup_epochs=0.0, ema_decay=0.0
    )
    assert recipe.teacher.gaze_train == AugmentedTrainConfig(
        epochs=3, batch_size=64, lr=2e-3, augment=0.5
    )
    assert recipe.teacher.train == AugmentedTrainConfig(lr=0.01)


def test_a_core_install_can_import_it() -> None:
    code = (
        "import sys; sys.modules['pydantic'] = None; import gazeclip.recipe.load as r; "
        "r.Recipe(name='x'); sys.exit('torch' in sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=True, timeout=60
    )


def test_overrides_are_typed_and_leave_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path, "name: x\nstudent: {backbone: b, train: {epochs: 4}}\n")
    recipe = load_recipe(
        path,
        [
            "student.train.lr=1e-4",
            "quantize.train.epochs=7",
            "export.targets=[onnx]",
            "data.manifest=m=1.csv",
            "baseline.enabled=false",
        ],
    )
    assert recipe.student.train == TrainConfig(epochs=4, lr=1e-4)
    assert recipe.student.backbone == "b"
    assert recipe.quantize.train.epochs == 7
    assert recipe.export.targets == ("onnx",)
    assert recipe.data.manifest == "m=1.csv"
    assert recipe.baseline.enabled is False


@pytest.mark.parametrize(
    ("item", "what"),
    [
        ("seed", "key=value"),
        ("=3", "key=value"),
        ("name.x=3", "is a value"),
        ("seed=[", "valid YAML"),
        ("student.epoch=3", r"student\.epoch: unknown"),
    ],
)
def test_faulty_overrides(tmp_path: Path, item: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        load_recipe(write(tmp_path, "name: x\n"), [item])


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_saved_is_what_is_read(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path, ["seed=11", "data.manifest=~"])
    save_recipe(recipe, tmp_path / "out.yaml")
    assert load_recipe(tmp_path / "out.yaml") == recipe
    written = yaml.safe_load((tmp_path / "out.yaml").read_text())
    assert written["seed"] == 11
    assert "clip_norm" in written["student"]["train"]  # defaults are spelled out


def test_there_are_recipes() -> None:
    assert "demo" in [path.stem for path in RECIPES]


def test_unreadable_recipes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recipe(write(tmp_path, "name: [\n"))
    with pytest.raises(ConfigError, match="not a mapping"):
        load_recipe(write(tmp_path, "- a\n"))
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recipe(tmp_path / "b.yaml")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_peer_is_trained_as_long_as_the_student(path: Path) -> None:
    """Its backbone sees as many epochs as the student's, which starts from the teacher's."""
    recipe = load_recipe(path)
    frozen = recipe.teacher.model.frozen_stride == 32
    assert (
        recipe.inherited_epochs
        == recipe.backbone.train.epochs + (0 if frozen else recipe.teacher.train.epochs)
        > 0
    )
    assert recipe.baseline_epochs == recipe.inherited_epochs + recipe.student.train.epochs
