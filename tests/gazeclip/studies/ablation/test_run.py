"""A tiny grid for real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from gazeclip.cli.verbs import main


@pytest.mark.slow
def test_a_tiny_grid_is_trained_scored_and_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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
    monkeypatch.chdir(tmp_path)
    command = ["ablate", "tiny.yaml", "--variants", "no-gaze", "--seeds", "0,1", "--json"]

    def run(*options: str) -> tuple[str, str]:
        assert main([*command, *options]) == 0
        said = capsys.readouterr()
        return said.out, said.err

    first, told = run()
    *controls, full, bare = json.loads(first)
    assert [row["variant"] for row in controls] == [
        "backbone",
        "cnn-1",
        "cnn-2",
        "angles",
        "features",
    ]
    assert controls[1]["figures"] != controls[2]["figures"]
    angles = controls[3]
    # one CNN per seed
    assert told.count("backbone: done") == 2 and told.count("backbone: up to date") == 2
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
    again, told = run()
    assert again == first
    assert "teacher: done" not in told and told.count("teacher: up to date") == 4
    out = tmp_path / "runs" / "tiny-ablation"
    assert (out / "ablation.md").is_file()
    kept = sorted(
        folder.name.rsplit("-", 1)[0] for folder in (out / "data" / "gaze_features").iterdir()
    )
    assert kept == [
        name for name in ("test", "test_unseen", "train", "val") for _ in range(2)
    ]  # each seed trains an encoder of its own
    other = ("--set", "backbone.train.epochs=2", "--variants", "no-gaze", "--seeds", "0")
    _, told = run(*other)
    assert told.count("backbone: done") == 1  # not one per variant
    assert told.count("backbone: up to date") == 1
    without, _ = run(*other, "--set", "backbone.enabled=false")
    assert "backbone" not in [row["variant"] for row in json.loads(without)]
