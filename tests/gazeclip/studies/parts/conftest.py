"""A run made by hand: 40 small pictures of 20 persons, and an untrained teacher."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazeclip.files.atomic import write_json
from gazeclip.files.hashes import sha256
from gazeclip.recipe.load import save_recipe
from gazeclip.recipe.stages import DataConfig, Recipe
from gazeclip.run.folder import RECIPE, Run
from gazeclip.taxonomy import Taxonomy
from gazeclip.teacher.model import GazeCLIP
from tests.gazeclip.teacher import tiny

GENERATORS = {
    "swap": {"title": "a swap", "category": "face_swap", "family": "graphics"},
    "gan": {"title": "a network", "category": "entire_synthesis", "family": "gan"},
    "flow": {"title": "a flow", "category": "entire_synthesis", "family": "flow", "seen": False},
}
LABELS = {
    "train": ("real", "swap", "gan"),
    "val": ("real", "swap", "gan"),
    "calibration": ("real", "swap", "gan"),
    "test": ("real", "swap", "gan"),
    "test_unseen": ("real", "flow"),
}
SIZE = 64


def write_set(folder: Path) -> Path:
    """Four pictures of each label in the test splits, one elsewhere; a person has two."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    lines = ["path,label,split,identity"]
    for split, labels in LABELS.items():
        for label in labels:
            for number in range(4 if split.startswith("test") else 1):
                name = f"{split}_{label}_{number}.png"
                pixels = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / name)
                lines.append(f"{name},{label},{split},{split}-{label}-{number // 2}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[[Callable[..., GazeCLIP] | None], Run]:
    """Give it what builds the teacher from its prompts; None leaves the run without one."""

    def make(build: Callable[..., GazeCLIP] | None) -> Run:
        taxonomy = tmp_path / "hand.yaml"
        taxonomy.write_text(json.dumps({"name": "hand", "generators": GENERATORS}))
        manifest = write_set(tmp_path / "set")
        run = Run(tmp_path / "runs" / "hand")
        data = DataConfig(
            manifest=str(manifest), taxonomy=str(taxonomy), image_size=SIZE, workers=0
        )
        save_recipe(Recipe(name="hand", data=data), run.root / RECIPE)
        checked = {"config": {"manifest": str(manifest)}, "inputs": {"manifest": sha256(manifest)}}
        write_json(run.folder("data") / "manifest.json", {**checked, "outputs": {}})
        if build is not None:
            known = Taxonomy.load(str(taxonomy))
            classes = ("real", "swap", "gan")
            build([known.prompts(name) for name in classes]).save(run.folder("teacher"))
            write_json(run.folder("teacher") / "manifest.json", {"inputs": {}, "outputs": {}})
        return run

    return make


@pytest.fixture
def alive() -> GazeCLIP:
    """The tiny teacher with open gates."""
    return tiny.build(alive=True)
