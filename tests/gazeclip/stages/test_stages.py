"""What makes a stage run again: every input that shapes its result is part of its fingerprint."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from distill import cache, student
from gazeclip.errors import ArtifactError, ConfigError
from gazeclip.images.crop_rule import CropRule
from gazeclip.networks.classifier import BackboneClassifier
from gazeclip.networks.weights import load_backbone
from gazeclip.recipe.load import parse_recipe, save_recipe
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import RECIPE, Run
from gazeclip.stages import backbone, baseline, classifier
from gazeclip.stages import data as data
from gazeclip.stages import teacher as teacher
from gazeclip.stages.load import load_classifier

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
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(
        path
    )


class Workspace:
    """A run on 24 images of the user's own, with its data stage done."""

    def __init__(self, root: Path) -> None:
        self.root, self.manifest, self.taxonomy = (
            root,
            root / "set" / "manifest.csv",
            root / "two.yaml",
        )
        self.weights = root / "weights.bin"
        self.weights.write_bytes(b"one")
        rows = [
            (f"{split}_{label}_{k}.png", label, split)
            for split in SPLITS
            for label in ("real", "swap", "gan")
            for k in range(2)
        ]
        for number, row in enumerate(rows):
            draw(root / "set" / row[0], number)
        with self.manifest.open("w", newline="") as file:
            csv.writer(file).writerows([("path", "label", "split"), *rows])
        self.taxonomy.write_text(yaml.safe_dump(TAXONOMY, sort_keys=False))
        self.run = Run(root / "run")
        self.with_backbone = False
        self.configure()
        assert self.prepare()

    def configure(self, **changes: Any) -> None:
        recipe = {
            "name": "run",
            "data": {
                "manifest": str(self.manifest),
                "taxonomy": str(self.taxonomy),
                "image_size": 32,
                **changes,
            },
            "backbone": {"enabled": self.with_backbone},
            "teacher": {"model": {"gaze": {"kind": "none"}, "backbone_weights": str(self.weights)}},
            "baseline": {"weights": str(self.weights)},
            "student": {"weights": str(self.weights)},
        }
        save_recipe(parse_recipe(recipe), self.run.root / RECIPE)

    def prepare(self) -> bool:
        return data.run_stage(self.run)

    def made_from(self, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """What a stage would hash, without running it."""
        found: dict[str, Any] = {}
        monkeypatch.setattr(
            module,
            "execute",
            lambda run, name, *, config, inputs, **_: found.update(config=config, inputs=inputs),
        )
        module.run_stage(self.run)
        return found


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def retitle(place: Workspace) -> None:
    changed = {
        **TAXONOMY["generators"],
        "gan": {**TAXONOMY["generators"]["gan"], "title": "another network"},
    }  # type: ignore[index]
    place.taxonomy.write_text(yaml.safe_dump({**TAXONOMY, "generators": changed}, sort_keys=False))


def reorder(place: Workspace) -> None:
    turned = dict(reversed(TAXONOMY["generators"].items()))  # type: ignore[union-attr, call-overload]
    place.taxonomy.write_text(yaml.safe_dump({**TAXONOMY, "generators": turned}, sort_keys=False))


def redraw(place: Workspace) -> None:
    draw(place.root / "set" / "train_gan_0.png", 999)


@pytest.mark.parametrize("change", [retitle, reorder, redraw])
@pytest.mark.parametrize("module", [teacher, baseline], ids=["teacher", "baseline"])
def test_taxonomy_and_pixels_reach_every_training(
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Workspace], None],
    module: ModuleType,
) -> None:
    before = workspace.made_from(module, monkeypatch)
    change(workspace)
    assert workspace.prepare()
    assert workspace.made_from(module, monkeypatch) != before


def test_a_network_for_other_pictures_is_refused(workspace: Workspace) -> None:
    Context(workspace.run).require_size("student", 32)
    workspace.configure(image_size=48)
    with pytest.raises(
        ArtifactError,
        match=r"'student' was made for 32 px, and data.image_size is 48. "
        r"Run: python -m gazeclip distill",
    ):
        Context(workspace.run).require_size("student", 32)


def train_on_from_backbone(workspace: Workspace, backbone_weights: str) -> None:
    """Have the recipe's baseline start from stage `backbone`, and learn next to nothing."""
    short = {"epochs": 1, "batch_size": 2, "ema_decay": 0}
    model = {
        "gaze": {"kind": "none"},
        "backbone": "mobilenetv4_conv_small",
        "backbone_weights": backbone_weights,
    }
    changed = {
        **asdict(Context(workspace.run).recipe),
        "backbone": {"enabled": True, "train": {**short, "lr": 1e-3}},
        "teacher": {"model": model},
        "baseline": {"weights": "backbone", "train": {**short, "lr": 1e-12}},
        "student": {},
    }
    save_recipe(parse_recipe(changed), workspace.run.root / RECIPE)


def test_the_baseline_goes_on_from_the_backbone(workspace: Workspace) -> None:
    """With next to no learning rate it ends where it started, its own batch statistics aside."""
    train_on_from_backbone(workspace, "none")
    backbone.run_stage(workspace.run)
    baseline.run_stage(workspace.run)
    context = Context(workspace.run)
    start = dict(load_classifier(context, "backbone").named_parameters())
    torch.manual_seed(context.recipe.seed)  # what the baseline would start from by itself
    drawn = dict(BackboneClassifier("mobilenetv4_conv_small", "none", 3).named_parameters())
    assert not torch.allclose(drawn["classifier.weight"], start["classifier.weight"], atol=1e-4)
    found = load_classifier(context, "baseline")
    for name, value in found.named_parameters():
        torch.testing.assert_close(value, start[name], atol=1e-6, rtol=0)
    assert found.source["weights"] == "backbone"
    made_from = workspace.run.manifest("baseline")["inputs"]
    assert made_from["backbone"] == workspace.run.output_hash("backbone")


def test_the_baseline_goes_on_from_no_other_network_than_the_recipes(workspace: Workspace) -> None:
    train_on_from_backbone(workspace, "none")
    backbone.run_stage(workspace.run)
    train_on_from_backbone(workspace, "residual")
    with pytest.raises(ArtifactError, match="weights none, not residual"):
        baseline.run_stage(workspace.run)


def test_how_images_were_cut_repeats_no_training(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = workspace.made_from(baseline, monkeypatch)
    monkeypatch.undo()
    workspace.configure(crop="face", crop_side=1.6)
    assert not workspace.prepare()
    assert Context(workspace.run).crop == CropRule("face", side=1.6)
    assert workspace.made_from(baseline, monkeypatch) == before
    monkeypatch.undo()
    workspace.configure(crop="whole", crop_side=1.6)
    with pytest.raises(ConfigError, match=r"data.crop_side and data.crop_lift need"):
        workspace.prepare()


def test_a_new_date_on_an_image_checks_the_data_again_and_no_more(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = workspace.made_from(baseline, monkeypatch)
    os.utime(workspace.root / "set" / "train_gan_0.png", (1, 1))
    assert workspace.prepare()
    assert workspace.made_from(baseline, monkeypatch) == before
    assert not workspace.prepare()


def move(place: Workspace) -> None:
    (place.root / "set").rename(place.root / "moved")
    place.manifest = place.root / "moved" / "manifest.csv"


def move_with_absolute_paths(place: Workspace) -> None:
    move(place)
    with place.manifest.open(newline="") as file:
        rows = list(csv.reader(file))
    with place.manifest.open("w", newline="") as file:
        moved = [(str(place.root / "moved" / row[0]), *row[1:]) for row in rows[1:]]
        csv.writer(file).writerows([rows[0], *moved])


def copy_under_other_names(place: Workspace) -> None:
    """Another folder, names, column order and times; the same pictures in the same order."""
    target = place.root / "copies" / "deep"
    target.mkdir(parents=True)
    with place.manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = ["split,note,label,path"]
    for number, row in enumerate(rows):
        source = place.manifest.parent / row["path"]
        (target / f"{number}.png").write_bytes(source.read_bytes())
        lines.append(f"{row['split']},x,{row['label']},deep/{number}.png")
    place.manifest = place.root / "copies" / "other.csv"
    place.manifest.write_text("\n".join(lines))


@pytest.mark.parametrize("change", [move, move_with_absolute_paths, copy_under_other_names])
def test_a_data_set_that_moved_is_the_same(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, change: Callable[[Workspace], None]
) -> None:
    modules = (teacher, baseline, cache)
    with monkeypatch.context() as patch:  # the cache wants a teacher, which is not trained here
        output_hash = Run.output_hash

        def data_alone(run: Run, name: str) -> str:
            return output_hash(run, name) if name == "data" else name

        patch.setattr(Run, "output_hash", data_alone)
        before = [workspace.made_from(module, patch) for module in modules]
        kept = output_hash(workspace.run, "data")
        change(workspace)
        workspace.configure()
        assert workspace.prepare()
        assert Context(workspace.run).manifest.path == workspace.manifest
        assert output_hash(workspace.run, "data") == kept
        assert [workspace.made_from(module, patch) for module in modules] == before
    assert not workspace.prepare()


def test_a_later_stage_is_up_to_date_after_the_move(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    def train() -> bool:
        inputs = {"data": workspace.run.output_hash("data")}
        return execute(workspace.run, "teacher", config={}, inputs=inputs, body=lambda _: {})

    assert train()
    move(workspace)
    workspace.configure()
    assert workspace.prepare()
    assert not train()
    assert "teacher: up to date" in capsys.readouterr().err


def test_other_splits_persons_or_order_are_other_data(workspace: Workspace) -> None:
    before = workspace.run.output_hash("data")
    lines = workspace.manifest.read_text().splitlines()
    found = {before}
    for changed in (
        [lines[0], lines[2], lines[1], *lines[3:]],
        [f"{lines[0]},identity", f"{lines[1]},someone", *(f"{line}," for line in lines[2:])],
        [*lines[:-1]],
    ):
        workspace.manifest.write_text("\n".join(changed))
        assert workspace.prepare()
        found.add(workspace.run.output_hash("data"))
    assert len(found) == 4


def test_a_manifest_that_is_gone_or_changed_is_told_apart(workspace: Workspace) -> None:
    text = workspace.manifest.read_text()
    workspace.manifest.write_text(text + "\n")
    with pytest.raises(ArtifactError, match=r"changed after it was checked\. Run: python"):
        Context(workspace.run).manifest  # noqa: B018
    workspace.manifest.unlink()
    with pytest.raises(ArtifactError, match=r"no longer there\. If the data set moved, .* --set"):
        Context(workspace.run).manifest  # noqa: B018


@pytest.mark.parametrize("module", [teacher, baseline], ids=["teacher", "baseline"])
def test_other_bytes_in_a_weight_file_count(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    before = workspace.made_from(module, monkeypatch)
    workspace.weights.write_bytes(b"two")
    after = workspace.made_from(module, monkeypatch)
    assert before["config"] != after["config"] and before["inputs"] == after["inputs"]


@pytest.mark.parametrize(
    "module",
    [backbone, teacher, baseline, student],
    ids=["backbone", "teacher", "baseline", "student"],
)
def test_a_weight_file_that_moved_is_the_same_file(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    monkeypatch.setattr(Run, "output_hash", lambda self, stage: stage)
    workspace.with_backbone = True
    workspace.configure()
    before = workspace.made_from(module, monkeypatch)
    assert before and str(workspace.root) not in json.dumps(before, default=str)
    workspace.weights = workspace.weights.rename(workspace.root / "moved.bin")
    workspace.configure()
    assert workspace.made_from(module, monkeypatch) == before
    workspace.weights.write_bytes(b"two")
    assert workspace.made_from(module, monkeypatch) != before


def test_cnns_whose_weight_file_moved_are_taken(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "fit", lambda *_: {"best": {}, "history": []})
    model = {"backbone": "mobilenetv4_conv_small_050", "gaze": {"kind": "none"}}

    def configure() -> Context:
        recipe = {
            "name": "run",
            "data": {"manifest": str(workspace.manifest), "taxonomy": str(workspace.taxonomy)},
            "backbone": {"enabled": True},
            "teacher": {"model": {**model, "backbone_weights": str(workspace.weights)}},
        }
        save_recipe(parse_recipe(recipe), workspace.run.root / RECIPE)
        return Context(workspace.run)

    torch.save(load_backbone(model["backbone"]).state_dict(), workspace.weights)
    configure()
    assert backbone.run_stage(workspace.run)
    facts = (workspace.run.folder("backbone") / "config.json").read_text()
    assert str(workspace.root) not in facts
    workspace.weights = workspace.weights.rename(workspace.root / "moved.bin")
    assert len(backbone.load_backbone_stage(configure()).members) == 1
    assert not backbone.run_stage(workspace.run)
    torch.save(load_backbone(model["backbone"]).state_dict(), workspace.weights)
    with pytest.raises(ArtifactError, match="weights sha256:"):
        backbone.load_backbone_stage(configure())


def test_the_cache_depends_on_the_data_and_not_on_the_batch(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "output_hash", lambda self, stage: stage)
    found = workspace.made_from(cache, monkeypatch)
    assert found["inputs"] == {"teacher": "teacher", "data": "data"}
    assert "batch_size" not in found["config"] and "augmentations" in found["config"]
