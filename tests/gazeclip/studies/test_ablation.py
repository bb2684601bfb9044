"""The grid: its variants, their spread over seeds against NumPy, and a tiny one for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from gazeclip.console.tables import MISSING
from gazeclip.errors import ConfigError
from gazeclip.recipe.load import load_recipe
from gazeclip.scoring import metrics
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.studies.ablation import probe
from gazeclip.studies.ablation.grid import BACKBONE, FULL, GRID, Variant, choose_variants
from gazeclip.studies.ablation.run import Entry
from gazeclip.studies.ablation.scores import Answers, Scores
from gazeclip.studies.ablation.table import build_tables, render_markdown, summarise_grid
from gazeclip.taxonomy import Taxonomy

ROOT = Path(__file__).parents[3]
TAXONOMY = Taxonomy.load("demo")
CLASSES = TAXONOMY.classes()


def test_every_variant_changes_the_recipe_that_it_is_made_from() -> None:
    """A switch that a later recipe ignores would be reported as a part that does not matter."""
    recipe = ROOT / "recipes" / "demo.yaml"
    plans = {variant.name: load_recipe(recipe, variant.overrides) for variant in GRID}
    assert plans[FULL] == load_recipe(recipe)
    assert len({repr(plan) for plan in plans.values()}) == len(GRID)


def test_named_and_custom_variants_come_after_full() -> None:
    assert choose_variants([], []) == list(GRID)
    assert [item.name for item in choose_variants(["no-aws", "full", "no-aws"], [])] == [
        FULL,
        "no-aws",
    ]
    own = choose_variants([], ["wide:teacher.model.width=64, teacher.train.lr=0.1"])
    assert [item.name for item in own] == [FULL, "wide"]
    assert own[1].overrides == ("teacher.model.width=64", "teacher.train.lr=0.1")


@pytest.mark.parametrize("text", ["wide", "wide:", "wide:x", ":a=1", "full:a=1", "../up:a=1"])
def test_faulty_custom_variants_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="NAME:key=value"):
        choose_variants([], [text])


def test_an_unknown_variant_gets_a_hint() -> None:
    with pytest.raises(ConfigError) as caught:
        choose_variants(["no-gase"], [])
    assert "no-gaze" in str(caught.value.remedy)


def scored(variant: str, seed: int, exchanged: bool = False) -> Entry:
    """A made-up teacher: 30 real and 40 forged faces of `test`, each person twice, none unseen."""
    rng = np.random.default_rng((seed, len(variant)))
    labels = ("real",) * 30 + ("swap_poisson",) * 40
    fake = np.array([label != "real" for label in labels])
    people = tuple(f"p{number // 2}" for number in range(70))
    score = rng.normal(0, 1, 70) + fake
    test = SplitOutputs(
        score, np.eye(len(CLASSES))[rng.integers(0, len(CLASSES), 70)], labels, identities=people
    )
    none = SplitOutputs(np.zeros(0), np.zeros((0, len(CLASSES))), ())
    others = Answers(
        np.stack([rng.permutation(score) for _ in range(4)]), rng.integers(0, len(CLASSES), (4, 70))
    )
    nobody = Answers(np.zeros((4, 0)), np.zeros((4, 0), dtype=int))
    scores = Scores(
        {"test": test, "test_unseen": none},
        {"test": others, "test_unseen": nobody} if exchanged else None,
        {"vpe.gamma": [0.1]},
    )
    return Entry(variant, seed, TAXONOMY, CLASSES, scores)


def auc(entry: Entry, rows: np.ndarray | None = None, score: np.ndarray | None = None) -> float:
    """By the definition: how often a forged face scores higher than a real one."""
    outputs = entry.scores.outputs["test"]
    score = outputs.fake_logit if score is None else score
    rows = np.arange(len(score)) if rows is None else rows
    forged, real = score[rows][outputs.is_fake[rows]], score[rows][~outputs.is_fake[rows]]
    return float(((forged[:, None] > real) + 0.5 * (forged[:, None] == real)).mean())


def attribution(entry: Entry, rows: np.ndarray, predicted: np.ndarray | None = None) -> float:
    """By the definition: how often a face gets its class's name, averaged over the classes."""
    outputs = entry.scores.outputs["test"]
    true = np.array(outputs.labels)[rows]
    named = np.array(CLASSES)[outputs.logits.argmax(1) if predicted is None else predicted][rows]
    return float(np.mean([(named[true == label] == label).mean() for label in sorted(set(true))]))


def test_spread_over_seeds_and_paired_differences_with_intervals_over_persons() -> None:
    full, bare = (
        [scored(name, seed, name == FULL) for seed in (2, 0, 1)] for name in (FULL, "bare")
    )
    rows = summarise_grid(
        [*full, *bare], [Variant(FULL, "all"), Variant("bare", "little", ("a=1",))], rounds=200
    )
    assert [row["seeds"] for row in rows] == [[2, 0, 1]] * 2
    found, values = rows[1]["figures"], np.array([auc(entry) for entry in bare])
    assert found["test AUC"] == pytest.approx(
        {"mean": values.mean(), "sd": values.std(ddof=1), "n": 3}
    )
    gap = values - np.array([auc(entry) for entry in full])
    against = found["test AUC against full"]
    assert (against["mean"], against["sd"], against["n"]) == pytest.approx(
        (gap.mean(), gap.std(ddof=1), 3)
    )
    rng, draws, named = np.random.default_rng(0), [], []
    for _ in range(200):  # persons in the order of their names, each with both images
        persons = np.array(sorted({f"p{n}" for n in range(35)}))[rng.integers(0, 35, 35)]
        rows_drawn = np.concatenate(
            [[2 * int(name[1:]), 2 * int(name[1:]) + 1] for name in persons]
        )
        draws.append(
            np.mean(
                [auc(b, rows_drawn) - auc(f, rows_drawn) for b, f in zip(bare, full, strict=True)]
            )
        )
        named.append(
            np.mean(
                [
                    attribution(b, rows_drawn) - attribution(f, rows_drawn)
                    for b, f in zip(bare, full, strict=True)
                ]
            )
        )
    assert against["interval"] == pytest.approx(
        [np.quantile(draws, 0.025), np.quantile(draws, 0.975)]
    )
    attributed, everyone = found["test attribution against full"], np.arange(70)
    gaps = [
        attribution(b, everyone) - attribution(f, everyone) for b, f in zip(bare, full, strict=True)
    ]
    assert (attributed["mean"], attributed["sd"]) == pytest.approx(
        (np.mean(gaps), np.std(gaps, ddof=1))
    )
    assert attributed["interval"] == pytest.approx(
        [np.quantile(named, 0.025), np.quantile(named, 0.975)]
    )
    exchanged = rows[0]["figures"]["test AUC with another face's gaze"]
    expected = [
        np.mean([auc(entry, score=column) for column in entry.scores.exchanged["test"].fake_logit])
        - auc(entry)
        for entry in full
    ]
    assert exchanged["mean"] == pytest.approx(np.mean(expected)) and exchanged["interval"][1] < 0
    exchanged = rows[0]["figures"]["test attribution with another face's gaze"]
    expected = [
        np.mean(
            [
                attribution(entry, everyone, named)
                for named in entry.scores.exchanged["test"].predicted
            ]
        )
        - attribution(entry, everyone)
        for entry in full
    ]
    assert exchanged["mean"] == pytest.approx(np.mean(expected))
    assert (
        rows[0]["figures"]["test AUC against full"] is None
        and found["test AUC with another face's gaze"] is None
    )
    assert found["unseen AUC"] is None and found["unseen AUC against full"] is None


def test_probes_find_what_gaze_tells_and_nothing_where_it_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1, 3], 60)  # class 2 has no training image
    yaw = rng.normal(0, 1, 180) * np.repeat(
        [1.0, 0.1, 0.1], 60
    )  # forged faces look ahead: a matter of spread, not of direction
    table = probe._expand_angles(np.stack((rng.normal(0, 1, 180), yaw), axis=1))
    noise = rng.normal(0, 1, (180, 8))
    tables = {
        "angles": {"train": table, "test": table},
        "features": {"train": noise, "test": rng.normal(0, 1, (180, 8))},
    }
    monkeypatch.setattr(probe, "_build_tables", lambda *_: (tables, targets))
    found = probe.score_probes(SimpleNamespace(classes=("real", "a", "b", "c")), ("test",), Path())  # type: ignore[arg-type]
    assert metrics.roc_auc(targets != 0, found["angles_test_fake_logit"]) > 0.85
    assert abs(metrics.roc_auc(targets != 0, found["features_test_fake_logit"]) - 0.5) < 0.15
    assert (found["angles_test_logits"][:, 2] == -30.0).all() and found[
        "angles_test_logits"
    ].shape == (180, 4)


def test_the_table_leaves_out_what_was_not_measured() -> None:
    entries = [scored(name, seed) for name in (BACKBONE.name, FULL, "bare") for seed in (0, 1)]
    rows = summarise_grid(
        entries, [Variant(FULL, "all"), Variant("bare", "little", ("a=1",))], rounds=20
    )
    figures, differences = build_tables(rows)
    assert [row[0] for row in figures.rows] == ["backbone", "full", "bare"] and [
        row[0] for row in differences.rows
    ] == ["backbone", "bare"]
    assert figures.header == ["variant", "what", "test AUC", "test attribution"]
    assert differences.header == [
        "variant",
        "test AUC against full",
        "test attribution against full",
    ]
    assert (
        figures.rows[2][2] in render_markdown(rows, {"seeds": [0, 1]})
        and "[" in differences.rows[1][-1]
    )
    entries[2] = scored(FULL, 0, exchanged=True)
    rows = {
        row[0]: row
        for row in build_tables(summarise_grid(entries, [Variant(FULL, "all")], rounds=20))[1].rows
    }
    assert rows["full"][1] == MISSING and rows["backbone"][1] != MISSING  # full against itself


def test_one_seed_has_no_deviation() -> None:
    row = summarise_grid([scored(FULL, 0)], [Variant(FULL, "all")], rounds=0)[0]
    assert row["figures"]["test AUC"] == {
        "mean": pytest.approx(auc(scored(FULL, 0))),
        "sd": None,
        "n": 1,
    }
    assert len(build_tables([row])) == 1 and "±" not in build_tables([row])[0].rows[0][2]


@pytest.mark.slow
def test_a_tiny_grid_is_trained_scored_and_not_trained_again(tmp_path: Path) -> None:
    train = {"epochs": 1, "batch_size": 16, "ema_decay": 0.5}
    faces = {
        "size": 64,
        "identities": 60,
        "train_real": 16,
        "train_fake": 4,
        "val_real": 4,
        "val_fake": 2,
        "calibration_real": 4,
        "calibration_fake": 2,
        "test_real": 6,
        "test_fake": 2,
        "unseen_real": 4,
        "unseen_fake": 2,
    }
    model = {
        "backbone": "mobilenetv4_conv_small_050",
        "width": 16,
        "depth": 1,
        "heads": 2,
        "embed_dim": 16,
        "extra_sizes": [80],
        "text": {"width": 16, "layers": 1, "heads": 2, "context_length": 24},
    }
    recipe = {
        "name": "tiny",
        "data": {"image_size": 64, "workers": 0, "faces": faces},
        "backbone": {"enabled": True, "train": train},
        "teacher": {"model": model, "train": train, "gaze_train": train},
        "baseline": {"enabled": False},
        "student": {"backbone": "mobilenetv4_conv_small_050"},
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    command = [
        sys.executable,
        "-m",
        "gazeclip",
        "ablate",
        "tiny.yaml",
        "--variants",
        "no-gaze",
        "--seeds",
        "0,1",
        "--json",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert first.returncode == 0, first.stderr[-3000:]
    *controls, full, bare = json.loads(first.stdout)
    assert [row["variant"] for row in controls] == [
        "backbone",
        "cnn-1",
        "cnn-2",
        "angles",
        "features",
    ]
    assert controls[1]["figures"] != controls[2]["figures"]
    angles = controls[3]
    assert (
        first.stderr.count("backbone: done") == 2
        and first.stderr.count("backbone: up to date") == 2
    )  # one CNN per seed
    assert 0 < angles["figures"]["test AUC"]["mean"] < 1 and angles["figures"]["test AUC"]["n"] == 2
    assert full["variant"] == "full" and full["seeds"] == [0, 1]
    shuffled = "test AUC with another face's gaze"
    assert full["figures"][shuffled]["n"] == 2 and len(full["figures"][shuffled]["interval"]) == 2
    assert full["figures"]["test AUC against full"] is None and bare["figures"][shuffled] is None
    assert bare["figures"]["test AUC against full"]["n"] == 2
    assert (
        all(abs(gates["vpe.gamma"][0]) > 0 for gates in full["gates"])
        and "vpe.gamma" not in bare["gates"][0]
    )
    again = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert again.stdout == first.stdout
    assert "teacher: done" not in again.stderr and again.stderr.count("teacher: up to date") == 4
    out = tmp_path / "runs" / "tiny-ablation"
    assert (out / "ablation.md").is_file()
    kept = sorted(
        folder.name.rsplit("-", 1)[0] for folder in (out / "data" / "gaze_features").iterdir()
    )
    assert kept == [
        name for name in ("test", "test_unseen", "train", "val") for _ in range(2)
    ]  # each seed trains an encoder of its own
    other = [*command, "--set", "backbone.train.epochs=2", "--variants", "no-gaze", "--seeds", "0"]
    changed = subprocess.run(
        other,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (
        changed.stderr.count("backbone: done") == 1
        and changed.stderr.count("backbone: up to date") == 1
    )  # not one per variant
    off = [*other, "--set", "backbone.enabled=false"]
    without = subprocess.run(
        off, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert "backbone" not in [row["variant"] for row in json.loads(without.stdout)]
