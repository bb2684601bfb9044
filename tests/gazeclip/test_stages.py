"""What makes a stage run again: every input that shapes its result is part of its fingerprint."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from distill import cache
from gazeclip import baseline
from gazeclip.checkpoint import read_json
from gazeclip.context import Context
from gazeclip.data import stage as data
from gazeclip.errors import ArtifactError
from gazeclip.recipe import parse_recipe, save_recipe
from gazeclip.run import RECIPE, Run
from gazeclip.teacher import stage as teacher

SPLITS = ("train", "val", "calibration", "test")
TAXONOMY = {
    "name": "two",
    "generators": {
        "swap": {"title": "a swap", "category": "face_swap", "family": "graphics"},
        "gan": {"title": "a network", "category": "entire_synthesis", "family": "gan"},
    },
}


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)


class Workspace:
    """A run on 24 images of the user's own, with its data stage done."""

    def __init__(self, root: Path) -> None:
        self.root, self.manifest, self.taxonomy = root, root / "set" / "manifest.csv", root / "two.yaml"
        self.weights = root / "weights.bin"
        self.weights.write_bytes(b"one")
        rows = [(f"{split}_{label}_{k}.png", label, split) for split in SPLITS for label in ("real", "swap", "gan") for k in range(2)]
        for number, row in enumerate(rows):
            draw(root / "set" / row[0], number)
        with self.manifest.open("w", newline="") as file:
            csv.writer(file).writerows([("path", "label", "split"), *rows])
        self.taxonomy.write_text(yaml.safe_dump(TAXONOMY, sort_keys=False))
        self.run = Run(root / "run")
        self.configure()
        assert self.prepare()

    def configure(self, **changes: Any) -> None:
        recipe = {
            "name": "run",
            "data": {"manifest": str(self.manifest), "taxonomy": str(self.taxonomy), "image_size": 32, **changes},
            "teacher": {"model": {"gaze": {"kind": "none"}, "backbone_weights": str(self.weights)}},
            "baseline": {"weights": str(self.weights)},
        }
        save_recipe(parse_recipe(recipe), self.run.root / RECIPE)

    def prepare(self) -> bool:
        return data.run_stage(self.run)

    def made_from(self, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """What a stage would hash, without running it."""
        found: dict[str, Any] = {}
        monkeypatch.setattr(module, "execute", lambda run, name, *, config, inputs, **_: found.update(config=config, inputs=inputs))
        module.run_stage(self.run)
        return found


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def retitle(place: Workspace) -> None:
    changed = {**TAXONOMY["generators"], "gan": {**TAXONOMY["generators"]["gan"], "title": "another network"}}  # type: ignore[index]
    place.taxonomy.write_text(yaml.safe_dump({**TAXONOMY, "generators": changed}, sort_keys=False))


def reorder(place: Workspace) -> None:
    turned = dict(reversed(TAXONOMY["generators"].items()))  # type: ignore[union-attr, call-overload]
    place.taxonomy.write_text(yaml.safe_dump({**TAXONOMY, "generators": turned}, sort_keys=False))


def redraw(place: Workspace) -> None:
    draw(place.root / "set" / "train_gan_0.png", 999)


@pytest.mark.parametrize("change", [retitle, reorder, redraw])
@pytest.mark.parametrize("module", [teacher, baseline], ids=["teacher", "baseline"])
def test_taxonomy_and_pixels_reach_every_training(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, change: Callable[[Workspace], None], module: ModuleType
) -> None:
    before = workspace.made_from(module, monkeypatch)
    change(workspace)
    assert workspace.prepare()
    assert workspace.made_from(module, monkeypatch) != before


def test_a_network_for_other_pictures_is_refused(workspace: Workspace) -> None:
    Context(workspace.run).require_size("student", 32)
    workspace.configure(image_size=48)
    with pytest.raises(ArtifactError, match=r"'student' was made for 32 px, and data.image_size is 48. Run: python -m distill"):
        Context(workspace.run).require_size("student", 32)


def test_a_new_date_on_an_image_checks_the_data_again_and_no_more(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = workspace.made_from(baseline, monkeypatch)
    os.utime(workspace.root / "set" / "train_gan_0.png", (1, 1))
    assert workspace.prepare()
    assert workspace.made_from(baseline, monkeypatch) == before
    assert not workspace.prepare()


def test_a_data_set_that_moved_is_found_again(workspace: Workspace) -> None:
    (workspace.root / "set").rename(workspace.root / "moved")
    workspace.manifest = workspace.root / "moved" / "manifest.csv"
    workspace.configure()
    assert workspace.prepare()
    assert read_json(workspace.run.folder("data") / "data.json")["manifest"] == str(workspace.manifest)


@pytest.mark.parametrize("module", [teacher, baseline], ids=["teacher", "baseline"])
def test_other_bytes_in_a_weight_file_count(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
    before = workspace.made_from(module, monkeypatch)
    workspace.weights.write_bytes(b"two")
    after = workspace.made_from(module, monkeypatch)
    assert before["config"] == after["config"] and before["inputs"] != after["inputs"]


def test_the_cache_depends_on_the_data_and_not_on_the_batch(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "output_hash", lambda self, stage: stage)
    found = workspace.made_from(cache, monkeypatch)
    assert found["inputs"] == {"teacher": "teacher", "data": "data"}
    assert "batch_size" not in found["config"] and "augmentations" in found["config"]
