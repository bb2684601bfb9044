"""`gazeclip parts` on a run made by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gazeclip.__main__ import main
from gazeclip.errors import ConfigError, StageError
from gazeclip.files.hashes import sha256
from gazeclip.run.context import Context
from gazeclip.run.folder import Run
from gazeclip.stages.load import load_teacher
from gazeclip.studies.judge import judge_splits
from gazeclip.teacher.model import GazeCLIP
from tests.gazeclip.studies.parts.conftest import SIZE
from tests.gazeclip.teacher import tiny

ROOT = Path(__file__).parents[4]
MakeRun = Callable[[Callable[..., GazeCLIP] | None], Run]


def build_half_alive(prompts: Any) -> GazeCLIP:
    """An untrained teacher whose VPE acts and whose word selector does not."""
    torch.manual_seed(0)
    model = tiny.awakened(GazeCLIP(tiny.HYBRID, prompts, SIZE))
    with torch.no_grad():
        for selector in model.lre.selectors:
            selector.beta.zero_()
        model.lre.level_weights.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
    return model.eval()


def test_the_table_and_the_file_say_what_each_part_does(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(build_half_alive)
    before = {path: path.stat().st_mtime_ns for path in run.root.rglob("*")}
    out = tmp_path / "parts.json"
    assert main(["parts", "--run", str(run.root), "--rounds", "40", "--json", str(out)]) == 0
    assert {path: path.stat().st_mtime_ns for path in run.root.rglob("*")} == before
    printed = capsys.readouterr().out
    report = json.loads(out.read_text())
    rows = {row["part"]: row for row in report["rows"]}
    mix = np.exp([1, 0, 0, 0]) / np.exp([1, 0, 0, 0]).sum()
    assert report["gates"] == {
        "gamma": [0.5],
        "beta": [0.0],
        "level_mix": pytest.approx(mix.tolist()),
    }
    assert "gates: VPE gamma 0.500; AWS beta 0.000; level mix 0.475 0.175 0.175 0.175" in printed
    assert report["images"] == {"test": 12, "test_unseen": 8}
    assert report["levels"] == {"test": "class", "test_unseen": "category+family"}
    assert rows["AWS off"]["identical"]
    assert rows["AWS off"]["words"] == "does nothing here"
    assert rows["AWS off"]["differences"]["test"]["tpr"] == {"mean": 0.0, "interval": [0.0, 0.0]}
    assert not rows["VPE off"]["identical"]
    assert rows["kept classifiers off"] == {
        "part": "kept classifiers off",
        "in_teacher": False,
        "words": "not in this teacher",
    }
    assert rows["gaze shuffled"]["settings"] == rows["random texts"]["settings"] == 5
    for name, row in rows.items():
        # The first table stands before those of differences, which hold no words.
        line = next(line for line in printed.splitlines() if line.strip().startswith(name))
        assert row["words"] in line
        assert ("outputs identical" in line) == bool(row.get("identical"))


def test_the_whole_scores_as_the_teacher_by_itself(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(build_half_alive)
    out = tmp_path / "parts.json"
    arguments = ["--rounds", "40", "--split", "test", "--json", str(out)]
    assert main(["parts", "--run", str(run.root), *arguments]) == 0
    context = Context(run)
    outputs = judge_splits(context, load_teacher(context), context.manifest, ("test",), "teacher")
    won = outputs.fake_logit[outputs.is_fake][:, None] > outputs.fake_logit[~outputs.is_fake]
    report = json.loads(out.read_text())
    assert report["images"] == {"test": 12}
    figures = report["rows"][0]["figures"]["test"]
    # Gaze features lie in float16 between the two passes; no pair of these faces is that close.
    assert figures["auc"] == pytest.approx(won.mean())
    named = np.array(context.classes)[outputs.logits.argmax(1)]
    assert figures["accuracy"] == pytest.approx((named == np.array(outputs.labels)).mean())


def test_a_run_without_teacher_ends_with_one_line_and_2(make_run: MakeRun) -> None:
    run = make_run(None)
    command = [sys.executable, "-m", "gazeclip", "parts", "--run", str(run.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "stage 'teacher'" in line and "Run first: python -m gazeclip teacher" in line


def test_what_cannot_be_measured_is_refused(make_run: MakeRun) -> None:
    run = make_run(build_half_alive)
    at = ["parts", "--run", str(run.root)]
    with pytest.raises(ConfigError, match=r"--split tset is no split\. Did you mean 'test'"):
        main([*at, "--split", "tset"])
    with pytest.raises(ConfigError, match="--rounds 5 are too few"):
        main([*at, "--rounds", "5"])
    manifest = Context(run).manifest.path
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join(line for line in lines if "unseen" not in line) + "\n")
    note = run.folder("data") / "manifest.json"
    stage = json.loads(note.read_text())
    stage["inputs"]["manifest"] = sha256(manifest)
    note.write_text(json.dumps(stage))
    with pytest.raises(StageError, match="no image in test_unseen"):
        main([*at, "--split", "test_unseen"])
