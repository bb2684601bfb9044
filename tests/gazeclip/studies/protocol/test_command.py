"""`gazeclip protocol` on a run made by hand, with a model that looks at brightness."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gazeclip.__main__ import main
from gazeclip.errors import ConfigError, ManifestError, StageError

GENERATORS = {
    "swap": {"category": "face_swap", "family": "graphics"},
    "gan_a": {"category": "entire_synthesis", "family": "gan"},
    "dif_a": {"category": "entire_synthesis", "family": "diffusion"},
    "gan_new": {"category": "entire_synthesis", "family": "gan", "seen": False},
    "dif_swap": {"category": "face_swap", "family": "diffusion", "seen": False},
    "flow_new": {"category": "entire_synthesis", "family": "flow", "seen": False},
}
OTHER = {
    "some_gan": {"category": "reenactment", "family": "gan"},
    "some_flow": {"category": "entire_synthesis", "family": "flow"},
}
SEEN = ("real", "swap", "gan_a", "dif_a")
UNSEEN = ("real", "gan_new", "dif_swap", "flow_new")


def write_set(folder: Path, rows: list[tuple[str, str]], seed: int = 0) -> Path:
    """A manifest of `(label, split)` with one small picture each, real ones darker."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    lines = ["path,label,split"]
    for number, (label, split) in enumerate(rows):
        low = 0 if label == "real" else 90
        Image.fromarray(rng.integers(low, low + 120, (32, 32, 3), dtype=np.uint8)).save(
            folder / f"{number}.png"
        )
        lines.append(f"{number}.png,{label},{split}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose `teacher` calls bright pictures fake and swapped."""
    torch = pytest.importorskip("torch")
    from gazeclip.files.atomic import write_json
    from gazeclip.files.hashes import sha256
    from gazeclip.recipe.load import save_recipe
    from gazeclip.recipe.stages import DataConfig, Recipe, ReportStage

    rows = [
        (label, split)
        for split in ("train", "val", "calibration", "test")
        for label in SEEN
        for _ in range(3)
    ]
    manifest = write_set(
        tmp_path / "data", [*rows, *((label, "test_unseen") for label in UNSEEN for _ in range(3))]
    )
    (tmp_path / "hand.yaml").write_text(
        json.dumps({"name": "hand", "generators": GENERATORS, "cite": ["made by hand"]})
    )
    data = DataConfig(
        manifest=str(manifest), taxonomy=str(tmp_path / "hand.yaml"), image_size=32, workers=0
    )
    root = tmp_path / "runs" / "r"
    save_recipe(Recipe(name="r", data=data, report=ReportStage(bootstrap=10)), root / "recipe.yaml")
    checked = {"config": {"manifest": str(manifest)}, "inputs": {"manifest": sha256(manifest)}}
    write_json(root / "data" / "manifest.json", {**checked, "outputs": {}})
    write_json(root / "teacher" / "manifest.json", {"inputs": {}, "outputs": {}})

    def model(pixels: Any) -> SimpleNamespace:
        bright = pixels.float().mean(dim=(1, 2, 3)) / 10 - 10
        return SimpleNamespace(
            fake_logit=bright[:, None],
            logits=torch.stack([-bright, bright, bright - 1, bright - 1], dim=1),
        )

    load = "gazeclip.studies.protocol.measure.load_model"
    monkeypatch.setattr(load, lambda context, name: model)
    monkeypatch.chdir(tmp_path)
    return root


def test_the_command_writes_what_it_prints_and_leaves_the_run_alone(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert main(["protocol", "--run", str(run), "--out", "out", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "protocol.json").read_text())
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    protocols = printed["protocols"]
    assert [protocols[name]["n_forged"] for name in ("P1", "P2", "P3")] == [9, 6, 3]
    assert protocols["P1"]["auc"] == 1.0  # every forged picture is brighter than every real one
    assert printed["threshold"]["n_real"] == 3
    assert protocols["P1"]["per_generator"]["swap"]["attribution_acc"] == 1.0
    assert "made by hand" in (tmp_path / "out" / "protocol.md").read_text()


def test_it_writes_into_the_run_by_default_and_scores_another_set(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        (label, split)
        for split in ("test", "test_unseen", "train")
        for label in ("real", "some_gan", "some_flow")
    ]
    other = write_set(tmp_path / "other", rows, seed=9)
    (tmp_path / "other.yaml").write_text(json.dumps({"generators": OTHER}))
    assert (
        main(["protocol", "--run", str(run), "--manifest", str(other), "--taxonomy", "other.yaml"])
        == 0
    )
    assert "P4: another data set (test and test_unseen)" in capsys.readouterr().out
    entry = json.loads((run / "protocol" / "teacher" / "protocol.json").read_text())["protocols"][
        "P4"
    ]
    assert (entry["n"], entry["n_forged"]) == (6, 4)  # its train split is none of a test's business
    assert entry["auc"] == 1.0


def refused(*arguments: str) -> str:
    with pytest.raises((ConfigError, StageError, ManifestError)) as caught:
        main(["protocol", *arguments])
    return str(caught.value)


def test_what_cannot_be_run_is_refused_in_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Did you mean 'teacher'?" in refused("--run", str(run), "--model", "techer")
    assert "is not a run folder" in refused("--run", str(tmp_path / "none"))
    assert "Run first: python -m gazeclip distill" in refused(
        "--run", str(run), "--model", "student"
    )
    assert "--manifest FILE" in refused("--run", str(run), "--taxonomy", "dfad")
    monkeypatch.chdir(tmp_path / "data")
    assert "no run under" in refused()


def test_another_set_is_refused_for_its_faults(run: Path, tmp_path: Path) -> None:
    at = ("--run", str(run), "--manifest")
    assert "does not exist" in refused(*at, "none.csv")
    unknown = write_set(tmp_path / "a", [("real", "test"), ("gan_knew", "test_unseen")])
    assert "unknown label 'gan_knew'" in refused(*at, str(unknown))
    assert "Did you mean 'gan_new'?" in refused(*at, str(unknown))
    assert "no image in test or test_unseen" in refused(
        *at, str(write_set(tmp_path / "b", [("real", "train")]))
    )
    lost = write_set(tmp_path / "c", [("real", "test"), ("swap", "test")])
    (lost.parent / "1.png").unlink()
    assert "1 image(s)" in refused(*at, str(lost))
    learned = write_set(tmp_path / "d", [("real", "test"), ("swap", "test")], seed=4)
    (learned.parent / "0.png").write_bytes(
        (tmp_path / "data" / "0.png").read_bytes()
    )  # of the run's train split
    assert "this run was trained or tuned on" in refused(*at, str(learned))
