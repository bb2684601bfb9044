"""A run made by hand: two small bundles, a teacher and a student that look at brightness."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.measure import gather, judge
from benchmarks.measure.latency import LatencyConfig
from benchmarks.measure.subject import Subject
from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.write import write_bundle
from gazeclip.files.atomic import write_json
from gazeclip.files.hashes import sha256
from gazeclip.recipe.load import save_recipe
from gazeclip.recipe.stages import BaselineStage, DataConfig, ExportStage, Recipe, ReportStage
from gazeclip.run.folder import Run

MODEL_FILES = {"onnx": "model.onnx", "openvino": "model.xml"}
GENERATORS = {
    "swap": {"category": "face_swap", "family": "graphics"},
    "gan": {"category": "entire_synthesis", "family": "gan"},
    "flow": {"category": "entire_synthesis", "family": "flow"},
    "gan_new": {"category": "entire_synthesis", "family": "gan", "seen": False},
}
CLASSES = ("real", "swap", "gan", "flow")
SIDE = 32


def write_images(folder: Path, seed: int = 0) -> Path:
    """A manifest with two small pictures per label and split."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    lines = ["path,label,split"]
    splits = dict.fromkeys(("train", "val", "calibration", "test"), CLASSES)
    for split, labels in {**splits, "test_unseen": ("real", "gan_new")}.items():
        for label in labels * 2:
            name = f"{len(lines)}.png"
            pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name)
            lines.append(f"{name},{label},{split}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def read_gaze(images: np.ndarray) -> np.ndarray:
    """The gaze that the small bundles give as well: from the means of red and green, `(B, 2)`."""
    means = images.astype(np.float64).mean(axis=(1, 2)) / 255
    return means[:, :2] * (0.3, -0.4)


def judge_brightness(images: np.ndarray) -> dict[str, np.ndarray]:
    bright = images.reshape(len(images), -1).mean(axis=1, keepdims=True) / 255 - 0.5
    return {"fake_logit": bright, "logits": np.repeat(bright, len(CLASSES), axis=1)}


@pytest.fixture(name="run")
def make_run(
    tmp_path: Path,
    bundles: dict[str, Path],
    contents: BundleContents,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """A run whose teacher and student look at brightness, with a bundle per target."""
    manifest = write_images(tmp_path / "data")
    taxonomy = tmp_path / "hand.yaml"
    taxonomy.write_text(json.dumps({"name": "hand", "generators": GENERATORS}))
    recipe = Recipe(
        name="r",
        data=DataConfig(manifest=str(manifest), taxonomy=str(taxonomy), image_size=SIDE, workers=0),
        baseline=BaselineStage(enabled=False),
        export=ExportStage(targets=tuple(MODEL_FILES), precisions=("int8",)),
        report=ReportStage(bootstrap=0, threads=1),
    )
    root = tmp_path / "runs" / "r"
    save_recipe(recipe, root / "recipe.yaml")
    done: dict[str, Any] = {"inputs": {}, "outputs": {}}
    data = {"config": {"manifest": str(manifest)}, "inputs": {"manifest": sha256(manifest)}}
    write_json(root / "data" / "manifest.json", {**done, **data})
    for stage in ("teacher", "student"):
        write_json(root / stage / "manifest.json", done)
    parity = {"embedding_cosine_min": 0.99, "prob_max_abs": 0.01, "sign_agreement": 1.0}
    for target, model in MODEL_FILES.items():
        folder = root / "export" / target
        folder.mkdir(parents=True)
        for path in bundles[target].glob("model.*"):
            shutil.copy(path, folder)
        made = replace(contents, target=target, precision="int8", model_file=model, parity=parity)
        write_bundle(folder, made)
        write_json(folder / "manifest.json", done)

    def look(role: Any, context: Any) -> Subject:
        return Subject(role, role, "torch", "fp32", 1.0, judge_brightness, SIDE)

    monkeypatch.setattr(gather, "gather_teacher", partial(look, "teacher"))
    monkeypatch.setattr(gather, "gather_student", partial(look, "student"))
    # Speed is not what is tested here.
    hasty = partial(LatencyConfig, rounds=1, min_round_time_s=0.0, warmup_max_s=0.0, max_repeats=0)
    monkeypatch.setattr(judge, "LatencyConfig", hasty)
    return Run(root)
