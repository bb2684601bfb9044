"""Stage `report` on a run made by hand: two small bundles, and an engine that breaks."""

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
from benchmarks.stage import run_stage
from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.write import write_bundle
from gazeclip.files.atomic import read_json, write_json
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
BROKEN = "its library does not start"


def write_images(folder: Path) -> Path:
    """A manifest with two small pictures per label and split."""
    rng = np.random.default_rng(0)
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


@pytest.fixture
def run(
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
    parity = {"embedding_cosine_min": 0.99, "prob_max_abs": 0.01, "verdict_agreement": 1.0}
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
    hasty = partial(LatencyConfig, rounds=1, min_round_time_s=0.0, warmup_max_s=0.0)
    monkeypatch.setattr(judge, "LatencyConfig", hasty)
    return Run(root)


def read_report(run: Run) -> tuple[list[str], list[str], str]:
    """Which frameworks are in the report, its caveats, and the page."""
    report = read_json(run.folder("report") / "report.json")
    frameworks = [subject["framework"] for subject in report["subjects"]]
    page = (run.folder("report") / "report.html").read_text(encoding="utf-8")
    return frameworks, report["caveats"], page


def test_a_broken_engine_is_a_caveat_and_its_mending_makes_the_report_again(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    from runtimes.engines.openvino import OpenVinoEngine

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(OpenVinoEngine, "available", classmethod(lambda cls: BROKEN))
        assert run_stage(run)
        frameworks, caveats, page = read_report(run)
        assert frameworks == ["torch", "torch", "onnx"]
        told = f"export/openvino is not judged: engine openvino: {BROKEN}"
        assert caveats[-1] == told and told in page
        assert told in (run.folder("report") / "report.md").read_text(encoding="utf-8")
        assert told in capsys.readouterr().err
        assert run.manifest("report")["config"]["usable_targets"] == {
            "onnx": True,
            "openvino": False,
        }
        assert not run_stage(run)  # broken still, and nothing else has changed
    assert run_stage(run)
    frameworks, caveats, _ = read_report(run)
    assert frameworks == ["torch", "torch", "onnx", "openvino"]
    assert not any("is not judged" in caveat for caveat in caveats)
    assert not run_stage(run)


def test_without_any_engine_the_float_student_is_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runtimes.engines.onnxruntime import OnnxRuntimeEngine
    from runtimes.engines.openvino import OpenVinoEngine

    for engine in (OnnxRuntimeEngine, OpenVinoEngine):
        monkeypatch.setattr(engine, "available", classmethod(lambda cls: BROKEN))
    assert run_stage(run)
    frameworks, caveats, _ = read_report(run)
    assert frameworks == ["torch", "torch"]
    assert sum(BROKEN in caveat for caveat in caveats) == len(MODEL_FILES)
    report = read_json(run.folder("report") / "report.json")
    assert report["headline"] == "student torch fp32"


def test_a_dead_gaze_head_is_told_each_time_and_a_live_one_is_drawn(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def look(role: Any, context: Any) -> Subject:
        def infer(images: np.ndarray) -> dict[str, np.ndarray]:
            alive = read_gaze(images)
            gaze = alive if role == "teacher" else np.zeros_like(alive)
            return {**judge_brightness(images), "gaze": gaze}

        return Subject(role, role, "torch", "fp32", 1.0, infer, SIDE)

    for role in ("teacher", "student"):
        monkeypatch.setattr(gather, f"gather_{role}", partial(look, role))
    assert run_stage(run)
    told = "warning: the gaze of student is no better than a constant (error"
    lines = [line for line in capsys.readouterr().err.splitlines() if "the gaze of" in line]
    assert [line.startswith(told) for line in lines] == [True]
    _, caveats, page = read_report(run)
    named = "not shown to be better than a constant: student (test, test_unseen)."
    assert any(named in line for line in caveats)
    report = read_json(run.folder("report") / "report.json")
    # The bundle on top has the teacher's gaze, up to what INT8 and single precision take away.
    assert report["headline"] == "student onnx int8 onnxruntime int8"
    assert set(report["gaze"]) == {"test", "test_unseen"} and "Where the faces look" in page
    for subject in report["subjects"]:
        of_split = subject["gaze"]["test"]
        assert of_split["labels"]["why_null"]["error_deg"].startswith("the manifest has no gaze")
        alive = {"teacher": None, "student": False}.get(subject["name"], True)
        assert of_split["teacher"]["beats_constant"] is alive
    assert not run_stage(run)  # finished, and told again
    assert told in capsys.readouterr().err
