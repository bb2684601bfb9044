"""The grid: which variants, their spread over seeds against NumPy, and a tiny grid trained for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from gazeclip.ablation.grid import FULL, GRID, Variant, chosen
from gazeclip.ablation.table import markdown, summarise, table
from gazeclip.errors import ConfigError
from gazeclip.recipe import load_recipe

ROOT = Path(__file__).parents[2]


def test_every_variant_changes_the_recipe_that_it_is_made_from() -> None:
    """A switch that a later recipe ignores would be reported as a part that does not matter."""
    recipe = ROOT / "recipes" / "demo.yaml"
    plans = {variant.name: load_recipe(recipe, variant.overrides) for variant in GRID}
    assert plans[FULL] == load_recipe(recipe)
    assert len({repr(plan) for plan in plans.values()}) == len(GRID)


def test_named_and_custom_variants_come_after_full() -> None:
    assert chosen([], []) == list(GRID)
    assert [item.name for item in chosen(["no-aws", "full", "no-aws"], [])] == [FULL, "no-aws"]
    own = chosen([], ["wide:teacher.model.width=64, teacher.train.lr=0.1"])
    assert [item.name for item in own] == [FULL, "wide"]
    assert own[1].overrides == ("teacher.model.width=64", "teacher.train.lr=0.1")


@pytest.mark.parametrize("text", ["wide", "wide:", "wide:x", ":a=1", "full:a=1", "../up:a=1"])
def test_faulty_custom_variants_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="NAME:key=value"):
        chosen([], [text])


def test_an_unknown_variant_gets_a_hint() -> None:
    with pytest.raises(ConfigError) as caught:
        chosen(["no-gase"], [])
    assert "no-gaze" in str(caught.value.remedy)


def test_spread_and_paired_differences() -> None:
    rng = np.random.default_rng(0)
    full, bare = rng.uniform(0.8, 1.0, 3), rng.uniform(0.6, 0.9, 3)
    entries = [
        {"variant": name, "seed": seed, "P1": {"auc": values[seed], "attribution_macro_acc": None}, "P2": {"auc": None}, "shuffled": None}
        for name, values in ((FULL, full), ("bare", bare))
        for seed in (2, 0, 1)
    ]
    rows = summarise(entries, [Variant(FULL, "all"), Variant("bare", "little", ("a=1",))])
    assert [row["seeds"] for row in rows] == [[2, 0, 1]] * 2
    found = rows[1]["figures"]
    assert found["test AUC"] == pytest.approx({"mean": bare.mean(), "sd": bare.std(ddof=1), "n": 3})
    gap = bare - full
    assert found["test AUC against full"] == pytest.approx({"mean": gap.mean(), "sd": gap.std(ddof=1), "n": 3})
    assert rows[0]["figures"]["test AUC against full"] is None
    assert found["test attribution"] is None and found["unseen AUC"] is None
    header, body = table(rows).header, table(rows).rows
    assert header == ["variant", "what", "test AUC", "test AUC against full"]  # nothing was measured of the rest
    assert body[1][-1] == f"{gap.mean():+.3f} ± {gap.std(ddof=1):.3f}"
    assert body[1][2] in markdown(rows, {"seeds": [0, 1, 2]})


def test_one_seed_has_no_deviation() -> None:
    rows = summarise([{"variant": FULL, "seed": 0, "P1": {"auc": 0.5}}], [Variant(FULL, "all")])
    assert rows[0]["figures"]["test AUC"] == {"mean": 0.5, "sd": None, "n": 1}
    assert table(rows).rows[0][2] == "0.500"


@pytest.mark.slow
def test_a_tiny_grid_is_trained_scored_and_not_trained_again(tmp_path: Path) -> None:
    train = {"epochs": 1, "batch_size": 16, "ema_decay": 0.5}
    faces = {"size": 64, "identities": 60, "train_real": 16, "train_fake": 4, "val_real": 4, "val_fake": 2, "calibration_real": 4,
             "calibration_fake": 2, "test_real": 6, "test_fake": 2, "unseen_real": 4, "unseen_fake": 2}  # fmt: skip
    model = {"backbone": "mobilenetv4_conv_small_050", "width": 16, "depth": 1, "heads": 2, "embed_dim": 16,
             "text": {"width": 16, "layers": 1, "heads": 2, "context_length": 24}}  # fmt: skip
    recipe = {
        "name": "tiny",
        "data": {"image_size": 64, "workers": 0, "faces": faces},
        "teacher": {"model": model, "train": train, "gaze_train": train},
        "baseline": {"enabled": False},
        "student": {"backbone": "mobilenetv4_conv_small_050"},
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-m", "gazeclip", "ablate", "tiny.yaml", "--variants", "no-gaze", "--seeds", "0,1", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert first.returncode == 0, first.stderr[-3000:]
    full, bare = json.loads(first.stdout)
    assert full["variant"] == "full" and full["seeds"] == [0, 1]
    assert full["figures"]["shuffled gaze: AUC"]["n"] == 2
    assert bare["figures"]["shuffled gaze: AUC"] is None
    assert bare["figures"]["test AUC against full"]["n"] == 2
    again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert again.stdout == first.stdout
    assert "teacher: done" not in again.stderr and again.stderr.count("teacher: up to date") == 4
    assert (tmp_path / "runs" / "tiny-ablation" / "ablation.md").is_file()
