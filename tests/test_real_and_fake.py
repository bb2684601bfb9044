"""Two folders, real and fake, become a bundle: through the manifest, the stages and a verdict."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from distill import cache, student, text_bank
from export.stage import Exporter, export_one
from gazeclip.__main__ import main
from gazeclip.bundle.bundle import Bundle
from gazeclip.data.from_folder import write_manifest
from gazeclip.faces.dataset import write_dataset
from gazeclip.recipe.faces import FacesConfig
from gazeclip.recipe.load import parse_recipe, save_recipe
from gazeclip.run.folder import RECIPE, Run
from gazeclip.stages import data, teacher

pytestmark = pytest.mark.slow
SIZE = 64
BACKBONE = "mobilenetv4_conv_small_050"
TRAIN = {"epochs": 1, "batch_size": 16, "lr": 1e-3, "ema_decay": 0.5}
FACES = FacesConfig(
    size=SIZE,
    identities=80,
    train_real=24,
    train_fake=4,
    val_real=2,
    val_fake=1,
    calibration_real=2,
    calibration_fake=1,
    test_real=2,
    test_fake=1,
    unseen_real=2,
    unseen_fake=1,
)


def sort_into_two(folder: Path) -> Path:
    """`real/` and `fake/`, each file under a name of its own."""
    drawn = write_dataset(folder / "drawn", FACES, processes=1).parent / "images"
    for file in sorted(drawn.rglob("*.jpg")):
        label = "real" if file.parent.name == "real" else "fake"
        (folder / label).mkdir(exist_ok=True)
        shutil.move(file, folder / label / f"{file.parent.name}-{file.name}")
    shutil.rmtree(folder / "drawn")
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a student whose teacher knows no gaze and no generator's name."""
    root = tmp_path_factory.mktemp("real-fake")
    faces = sort_into_two(root)
    manifest = write_manifest(faces, "real-fake", faces / "manifest.csv", crop="face")
    text = {"width": 32, "layers": 1, "heads": 2, "context_length": 24}
    model: dict[str, Any] = {
        "backbone": BACKBONE,
        "width": 32,
        "depth": 1,
        "heads": 2,
        "embed_dim": 32,
        "text": text,
        "gaze": {"kind": "none"},
    }
    recipe = {
        "name": "two",
        "data": {
            "manifest": str(manifest),
            "taxonomy": "real-fake",
            "image_size": SIZE,
            "workers": 0,
        },
        "teacher": {"model": model, "train": TRAIN},
        "cache": {"augmentations": 1},
        "student": {"backbone": BACKBONE, "weights": "teacher", "train": TRAIN},
        "export": {"parity_images": 8},
    }
    run = Run(root / "run")
    save_recipe(parse_recipe(recipe), run.root / RECIPE)
    for stage in (data, teacher, text_bank, cache, student):
        stage.run_stage(run)
    export_one(Exporter(run), "onnx", "fp32")
    return run.root / "export" / "onnx-fp32"


def test_the_prompts_of_the_bank_claim_nothing_that_nobody_knows(bundle: Path) -> None:
    facts = json.loads((bundle.parents[1] / "text_bank" / "text_bank.json").read_text())
    assert facts["classes"] == ["real", "fake"]
    for prompts in facts["prompts"].values():
        assert len(set(prompts)) == len(prompts)
        assert not any("-based" in prompt or "swap" in prompt for prompt in prompts)
    assert not set(facts["prompts"]["real"]) & set(facts["prompts"]["fake"])


def test_the_bundle_and_its_card_know_one_kind_of_forgery(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    assert [(entry.name, entry.category) for entry in loaded.classes] == [
        ("real", "real"),
        ("fake", "unknown"),
    ]
    assert loaded.meta["gaze"] is False
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "where the face looks" not in card
    assert "| fake | an unknown generator | unknown | unknown |" in card
    assert "nobody said which (an unknown generator)" in card


def test_a_verdict_names_no_generator_that_nobody_knows(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = bundle.parents[2] / "fake"
    command = ["verify", "--bundle", str(bundle), "--crop", "whole", "--json"]
    main([*command, str(sorted(images.iterdir())[0])])
    (answer,) = json.loads(capsys.readouterr().out)["results"]
    assert {entry["name"] for entry in answer["attribution"]} == {"real", "fake"}
    assert sum(entry["p"] for entry in answer["attribution"]) == pytest.approx(1)
    assert answer["verdict"] in ("real", "fake", "inconclusive")
    assert answer["gaze"] is None  # as its teacher had none
    made_by = answer["generator"]
    if answer["verdict"] == "real":
        assert made_by is None
    else:
        assert (made_by["title"], made_by["family"]) == ("an unknown generator", "unknown")
