"""The last of two never wins in silence: a key that stands twice is refused, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gazeclip.errors import ArtifactError, ConfigError
from gazeclip.files.atomic import read_json
from gazeclip.files.strict_yaml import load_yaml
from gazeclip.recipe.load import load_recipe
from gazeclip.taxonomy import Taxonomy

TWICE = "name: x\nstudent: {drop_path: 0.1}\nseed: 1\nstudent: {drop_path: 0.2}\n"
# For a parser that calls itself twice a level; the time that it takes grows as the square.
TOO_DEEP = 1000
GENERATOR = "{category: face_swap, family: gan}"


def test_a_key_twice_names_itself_and_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(TWICE)
    with pytest.raises(ConfigError, match="the key 'student' stands twice, in lines 2 and 4"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: {b: 1, c: 2, b: 1}", "'b' stands twice, in line 1"),
        ("a:\n  - x: 1\n    x: 2\n", "'x' stands twice, in lines 2 and 3"),
        ("1: a\n0x1: b\n", "'1' stands twice, in lines 1 and 2"),
        ("'a': 1\na: 2\n", "'a' stands twice"),
        ("a: 2026-99-99", "month must be in 1..12"),
        ("!!map a: 1", "a tag .* does not fit its value .*unhashable"),
        ("a: !!bool x", "a tag .* does not fit its value"),
        ("a: !!timestamp x", "a tag .* does not fit its value"),
        ("a: !!int ''", "a tag .* does not fit its value"),
        ("[" * TOO_DEEP, "within each other, too many to be read"),
    ],
)
def test_at_any_depth_and_in_any_spelling(text: str, said: str) -> None:
    with pytest.raises(yaml.YAMLError, match=said):
        load_yaml(text)


def test_what_a_merge_key_brings_may_be_given_again() -> None:
    text = "base: &b {lr: 1, epochs: 2}\none: &o\n  <<: *b\n  lr: 3\ntwo:\n  <<: *o\n  epochs: 4\n"
    assert load_yaml(text) == yaml.safe_load(text)
    assert load_yaml(text)["two"] == {"lr": 3, "epochs": 4}


def test_a_generator_twice(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(f"generators:\n  one: {GENERATOR}\n  two: {GENERATOR}\n  one: {GENERATOR}\n")
    with pytest.raises(ConfigError, match="the key 'one' stands twice, in lines 2 and 4"):
        Taxonomy.load(str(path))
    path.write_text(f"generators:\n  1: {GENERATOR}\n  '1': {GENERATOR}\n")
    with pytest.raises(ConfigError, match="1: listed twice"):
        Taxonomy.load(str(path))


@pytest.mark.parametrize(
    "overrides",
    [
        ["seed=1", "seed=2"],
        ["student.train.lr=0.1", "student.train={epochs: 3}"],
        ["student.train={epochs: 3}", "student.train.epochs=4"],
    ],
)
def test_two_settings_of_one_key(tmp_path: Path, overrides: list[str]) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: x\n")
    with pytest.raises(ConfigError, match="and only one of them can hold"):
        load_recipe(path, overrides)


def test_settings_that_agree_or_are_the_programs_own_pass(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: x\n")
    assert (
        load_recipe(
            path, ["seed=1", "seed=1", "student.train.lr=0.1", "student.train.epochs=3"]
        ).seed
        == 1
    )
    assert load_recipe(path, ["seed=1"], then=["seed=2"]).seed == 2
    with pytest.raises(ConfigError, match="'lr' stands twice"):
        load_recipe(path, ["student.train={lr: 1, lr: 2}"])


def test_json_that_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text('{"outputs": {"a": "1", "b": "2", "a": "3"}}')
    with pytest.raises(ArtifactError, match="the key 'a' stands twice"):
        read_json(path)


@pytest.mark.parametrize("text", ["!!map a: 1", "name: " + "[" * TOO_DEEP])
def test_a_recipe_that_yaml_chokes_on_is_the_recipes_fault(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"r\.yaml cannot be read: .*Correct the YAML"):
        load_recipe(path)
