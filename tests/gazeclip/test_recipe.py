"""Recipes: all faults at once, single values from the command line, and what is saved is what is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gazeclip.errors import ConfigError
from gazeclip.recipe import TrainConfig, load_recipe, parse_recipe, save_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


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


def test_overrides_are_typed_and_leave_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path, "name: x\nstudent: {backbone: b, train: {epochs: 4}}\n")
    recipe = load_recipe(
        path, ["student.train.lr=1e-4", "quantize.train.epochs=7", "export.targets=[onnx]", "data.manifest=m=1.csv", "baseline.enabled=false"]
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
