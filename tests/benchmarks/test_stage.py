"""Stage `report` on a run made by hand: two small bundles, and an engine that breaks."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import stage
from benchmarks.command import add_options
from benchmarks.devices import measure
from benchmarks.devices.base import Device, Timing
from benchmarks.measure import gather
from benchmarks.measure.subject import Subject
from benchmarks.stage import run_stage
from gazeclip.bundle.bundle import Bundle
from gazeclip.commands import pipeline
from gazeclip.commands.run import add_options as add_run_options
from gazeclip.console.parser import CommandParser
from gazeclip.errors import ConfigError, ManifestError
from gazeclip.files.atomic import read_json
from gazeclip.recipe.load import load_recipe, save_recipe
from gazeclip.recipe.stages import ReportStage
from gazeclip.run.folder import Run
from tests.benchmarks.hand_made import (
    MODEL_FILES,
    SIDE,
    judge_brightness,
    make_run,
    read_gaze,
    write_images,
)

__all__ = ["make_run"]  # a fixture
BROKEN = "its library does not start"


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


def test_a_device_that_is_not_there_is_told_before_anything_is_measured(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (run.root / "recipe.yaml").read_bytes()
    with monkeypatch.context() as early:
        early.setattr(stage, "gather_subjects", lambda *args: pytest.fail("it was measured"))
        parser = CommandParser()
        add_options(parser)
        args: Any = parser.parse_args(["--run", str(run.root), "--device", "phone"])
        with pytest.raises(ConfigError, match="no device 'phone'"):
            args.command(args)
    assert (run.root / "recipe.yaml").read_bytes() == before
    assert run_stage(run)  # the next report knows nothing of it


def test_a_device_is_timed_each_time_it_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Phone(Device):
        label = "a phone"

        def time_bundle(self, bundle: Bundle, threads: int) -> Timing:
            return Timing(threads=threads, p50_ms=6.1)

    opened: list[str | None] = []

    def open_phone(asked: ReportStage) -> Device | None:
        opened.append(asked.device)
        return None if asked.device is None else Phone()

    monkeypatch.setattr(measure, "open_device", open_phone)
    for _ in range(2):
        assert run_stage(run, on_device={"device": "adb"})
        report = read_json(run.folder("report") / "report.json")
        assert [row["p50_ms"] for row in report["device"]["rows"]] == [6.1] * len(MODEL_FILES)
    assert opened == ["adb"] * 4  # looked for first, and timed at the end
    assert not run_stage(run)  # and what is there stays


def name_other(run: Run, manifest: Path) -> None:
    """Let the run's recipe name another data set."""
    path = run.root / "recipe.yaml"
    recipe = load_recipe(path)
    report = replace(recipe.report, other_manifest=str(manifest))
    save_recipe(replace(recipe, report=report), path)


def test_another_data_set_is_p4_and_makes_the_report_again(run: Run, tmp_path: Path) -> None:
    assert run_stage(run)
    other = write_images(tmp_path / "other", seed=1)
    name_other(run, other)
    assert run_stage(run)
    protocols = read_json(run.folder("report") / "report.json")["protocols"]
    assert len(protocols["subjects"]) == 2 + len(MODEL_FILES)
    for entry in protocols["subjects"]:
        assert entry["protocols"]["P1"]["n_real"] == 2
        assert entry["protocols"]["P4"]["n_real"] == 4  # of test and test_unseen
    assert protocols["coverage"]["images"] == 12
    assert not run_stage(run)


def test_mending_an_image_of_another_data_set_makes_the_report_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_images(tmp_path / "other", seed=1)
    name_other(run, other)
    rows = [line.split(",") for line in other.read_text().splitlines()]
    broken = next(tmp_path / "other" / row[0] for row in rows if row[2] == "test")
    whole = broken.read_bytes()
    broken.write_bytes(whole[:50])
    assert run_stage(run)
    monkeypatch.setattr(pipeline, "run_recipe", lambda *given: run)
    parser = CommandParser()
    add_run_options(parser)
    args: Any = parser.parse_args(["demo"])
    assert args.command(args) == 3  # as `gazeclip benchmark` ends
    assert not run_stage(run)
    broken.write_bytes(whole)
    assert run_stage(run)
    assert args.command(args) == 0
    other.unlink()
    with pytest.raises(ManifestError, match="does not exist"):
        run_stage(run)


def test_another_data_set_with_images_that_were_learned_is_refused(
    run: Run, tmp_path: Path
) -> None:
    other = write_images(tmp_path / "other", seed=1)
    rows = [line.split(",") for line in other.read_text().splitlines()]
    learned = next(row[0] for row in rows if row[2] == "train")
    shutil.copy(tmp_path / "data" / learned, tmp_path / "other" / rows[-1][0])
    name_other(run, other)
    with pytest.raises(ManifestError, match="trained or tuned on"):
        run_stage(run)
