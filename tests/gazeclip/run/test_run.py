"""Stages: skipped when up to date, resumed when killed, whole at every instant when finished."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gazeclip.cli.options import open_run
from gazeclip.commands.pipeline import prepare_run
from gazeclip.errors import ConfigError, StageError
from gazeclip.files.hashes import sha256
from gazeclip.recipe.load import load_recipe
from gazeclip.recipe.stages import Recipe
from gazeclip.run import execute as module
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run, latest_run
from gazeclip.run.lock import lock_run
from gazeclip.run.stages import STAGES, bundle_stage, parse_bundle_stage

Body = Callable[[Path], Mapping[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "recipe.yaml").write_text("name: x\n")
    return Run(tmp_path)


def body(folder: Path) -> dict[str, Any]:
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "sub" / "a.txt").write_text("a")
    return {"score": 1.0}


def go(
    run: Run,
    work: Body = body,
    config: Any = 1,
    inputs: Mapping[str, str] | None = None,
    force: bool = False,
) -> bool:
    return execute(
        run,
        "cache",
        config=config,
        inputs=inputs or {"x": "1"},
        body=work,
        force=force,
    )


def leftovers(run: Run) -> list[str]:
    return sorted(
        item.name for item in run.root.iterdir() if item.name not in ("recipe.yaml", "cache")
    )


def killed(folder: Path) -> dict[str, Any]:
    (folder / "first").write_text("from the killed attempt")
    raise KeyboardInterrupt


def test_runs_once_and_writes_a_manifest(run: Run) -> None:
    assert go(run)
    assert not go(run)
    manifest = run.manifest("cache")
    assert manifest["outputs"] == {"sub/a.txt": sha256(run.folder("cache") / "sub" / "a.txt")}
    assert manifest["metrics"] == {"score": 1.0}
    assert manifest["inputs"] == {"x": "1"}
    assert manifest["versions"]["gazeclip-edge"]
    assert leftovers(run) == []


def test_reruns_on_any_change_and_on_force(run: Run) -> None:
    go(run)
    assert go(run, config=2)
    assert go(run, config=2, inputs={"x": "2"})
    assert not go(run, config=2, inputs={"x": "2"})
    assert go(run, config=2, inputs={"x": "2"}, force=True)


@pytest.mark.parametrize(
    "harm",
    [lambda file: file.write_text("b"), lambda file: file.unlink()],
    ids=["changed", "deleted"],
)
def test_a_damaged_output_is_made_again(run: Run, harm: Callable[[Path], object]) -> None:
    go(run)
    harm(run.folder("cache") / "sub" / "a.txt")
    assert go(run)
    assert (run.folder("cache") / "sub" / "a.txt").read_text() == "a"
    assert not go(run)


def test_a_killed_body_leaves_no_folder_and_its_files_to_the_next_attempt(run: Run) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(run, killed)
    assert not run.folder("cache").exists()
    assert not run.is_done("cache")
    found: list[str] = []

    def again(folder: Path) -> dict[str, Any]:
        found.extend(item.name for item in folder.iterdir())
        return body(folder)

    assert go(run, again)
    assert found == ["first"]
    assert (run.folder("cache") / "first").read_text() == "from the killed attempt"
    assert leftovers(run) == []


@pytest.mark.parametrize(
    "change",
    [{"config": 2}, {"inputs": {"x": "2"}}, {"force": True}],
    ids=["config", "inputs", "force"],
)
def test_files_of_an_attempt_with_other_inputs_are_dropped(
    run: Run, change: dict[str, Any]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(run, killed)
    assert go(run, **change)
    assert not (run.folder("cache") / "first").exists()


def test_a_failing_rerun_leaves_the_old_result_whole(run: Run) -> None:
    go(run)
    before = run.manifest("cache")
    with pytest.raises(KeyboardInterrupt):
        go(run, killed, config=2)
    assert run.manifest("cache") == before
    assert sorted(p.name for p in run.folder("cache").rglob("*")) == [
        "a.txt",
        "manifest.json",
        "sub",
    ]
    assert not go(run)  # the old result is still the right one for the old config


def test_a_rerun_replaces_and_does_not_mix(run: Run) -> None:
    go(run)

    def other(folder: Path) -> dict[str, Any]:
        (folder / "b.txt").write_text("b")
        return {}

    go(run, other, config=2)
    assert sorted(p.name for p in run.folder("cache").rglob("*")) == ["b.txt", "manifest.json"]
    assert leftovers(run) == []


def test_what_was_complete_when_killed_and_is_damaged_since_is_made_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(run: Run, stage: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_publish_folder", kill)
        with pytest.raises(KeyboardInterrupt):
            go(run)
    assert not run.is_done("cache")
    (run.partial("cache") / "sub" / "a.txt").write_text("damaged")
    seen: list[str] = []

    def again(folder: Path) -> dict[str, Any]:
        seen.extend(item.name for item in folder.iterdir())
        return body(folder)

    assert go(run, again)
    assert "manifest.json" not in seen  # a bundle would list it among its own files
    assert list(run.manifest("cache")["outputs"]) == ["sub/a.txt"]
    assert not go(run)


def test_a_kill_between_the_two_renames_heals(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    go(run)
    rename = Path.rename

    def kill(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", kill)
        with pytest.raises(KeyboardInterrupt):
            go(run, config=2)
    assert not run.is_done("cache")  # absent rather than half there
    assert not go(run, config=2)  # published as it was
    assert run.manifest("cache")["config"] == 2
    assert leftovers(run) == []


def test_the_resume_folder_is_no_output(run: Run) -> None:
    def with_resume(folder: Path) -> dict[str, Any]:
        (folder / "resume").mkdir()
        (folder / "resume" / "last").write_text("x")
        return body(folder)

    go(run, with_resume)
    assert not (run.folder("cache") / "resume").exists()


def test_a_stage_that_has_not_run_names_its_command(run: Run) -> None:
    with pytest.raises(StageError) as caught:
        run.output_hash("cache")
    assert "has not run" in caught.value.message
    assert f"python -m gazeclip distill cache --run {run.root}" in str(caught.value.remedy)


def test_output_hash_follows_contents_only(run: Run) -> None:
    go(run)
    before = run.output_hash("cache")
    go(run, force=True)
    assert run.output_hash("cache") == before
    go(run, lambda folder: (folder / "c").write_text("c") and {}, config=2)
    assert run.output_hash("cache") != before


def test_latest_run_is_the_last_touched(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no run"):
        latest_run(tmp_path)
    for number, name in enumerate(("b", "a", "c")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.yaml").write_text("")
        os.utime(tmp_path / name / "recipe.yaml", (number, number))
    (tmp_path / "zz").mkdir()
    assert latest_run(tmp_path) == tmp_path / "c"
    Run(tmp_path / "b").mark_recent()
    assert latest_run(tmp_path) == tmp_path / "b"


def make(run: Run, stage: str, text: str, **inputs: str) -> None:
    """A finished stage whose only file holds `text`."""
    execute(
        run,
        stage,
        config=text,
        inputs=inputs,
        body=lambda folder: write(folder / "a.txt", text),
    )


def write(path: Path, text: str) -> dict[str, Any]:
    path.write_text(text)
    return {}


def test_nothing_is_built_on_a_stale_stage(run: Run) -> None:
    make(run, "data", "one")
    make(run, "teacher", "t", data=run.output_hash("data"))
    make(run, "text_bank", "b", teacher=run.output_hash("teacher"))
    run.output_hash("text_bank")
    make(run, "data", "another split")
    with pytest.raises(StageError, match=r"'teacher' .* made from another 'data'") as caught:
        run.output_hash("text_bank")  # two stages away
    assert "python -m gazeclip teacher" in str(caught.value.remedy)
    make(run, "teacher", "t", data=run.output_hash("data"))
    run.output_hash(
        "text_bank"
    )  # the new teacher has the same bytes, so what was made from it still holds


@pytest.mark.parametrize("precision", ["int8", "fp32", "fp16"])
def test_the_name_of_a_bundle_is_read_as_it_was_built(run: Run, precision: str) -> None:
    name = bundle_stage("onnx", precision)
    assert parse_bundle_stage(name) == ("onnx", precision)
    make(run, name, "a")
    make(run, "teacher", "t")
    (run.root / "export" / ".tflite.old").mkdir()
    (run.root / "export" / "openvino").mkdir()  # without a manifest: not finished
    assert run.bundles() == {name: ("onnx", precision)}


def test_only_bundles_have_a_name_of_a_bundle() -> None:
    assert [parse_bundle_stage(name) for name in STAGES] == [None] * len(STAGES)
    assert [name for name, stage in STAGES.items() if stage.name != name] == []


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("export/onnx", "python -m gazeclip export --target onnx --precision int8"),
        ("export/openvino-fp32", "python -m gazeclip export --target openvino --precision fp32"),
        ("cache", "python -m gazeclip distill cache"),
    ],
)
def test_the_remedy_makes_exactly_what_is_missing(run: Run, stage: str, expected: str) -> None:
    with pytest.raises(StageError) as caught:
        run.manifest(stage)
    assert expected in str(caught.value.remedy)


def test_what_was_complete_when_killed_is_published_not_made_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(run: Run, stage: str) -> None:
        raise KeyboardInterrupt

    def with_state(folder: Path) -> dict[str, Any]:
        (folder / "resume").mkdir()
        (folder / "resume" / "last").write_text("x")
        return dict(body(folder))

    with monkeypatch.context() as patch:
        patch.setattr(module, "_publish_folder", dies)
        with pytest.raises(KeyboardInterrupt):
            go(run, with_state)
    assert not run.is_done("cache")

    def never(folder: Path) -> dict[str, Any]:
        raise AssertionError("the work was done again")

    assert not go(run, never)
    assert run.manifest("cache")["outputs"].keys() == {"sub/a.txt"}
    assert not (run.folder("cache") / "resume").exists()
    assert leftovers(run) == []


HOLDER = """
import sys, time
from pathlib import Path
from gazeclip.run.folder import Run
from gazeclip.run.lock import lock_run
with lock_run(Run(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(run: Run) -> Iterator[subprocess.Popen[str]]:
    """Another process that is working on the run until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_two_processes_do_not_work_on_one_run(run: Run, held: subprocess.Popen[str]) -> None:
    with pytest.raises(StageError, match="another process"):
        go(run)
    held.communicate()
    assert go(run)  # the lock is gone with its holder


def test_a_forked_worker_does_not_keep_the_lock(run: Run) -> None:
    context = multiprocessing.get_context("fork")
    running = context.Event()
    with lock_run(run):
        worker = context.Process(target=lambda: (running.set(), time.sleep(60)), daemon=True)
        worker.start()
        assert running.wait(30)
    try:
        assert go(run)
    finally:
        worker.kill()
        worker.join()


def options(run: Run, *values: str) -> argparse.Namespace:
    return argparse.Namespace(run=run.root, set=list(values))


@pytest.mark.parametrize("write", ["stage command", "pipeline"])
def test_a_refused_command_has_not_changed_the_recipe(
    run: Run, held: subprocess.Popen[str], write: str
) -> None:
    before = (run.root / "recipe.yaml").read_bytes()
    with pytest.raises(StageError, match="another process"):
        if write == "pipeline":
            prepare_run(Recipe(name="x", seed=7), run.root)
        else:
            with open_run(options(run, "quantize.calibration_images=5"), "quantize"):
                pass
    assert (run.root / "recipe.yaml").read_bytes() == before


def test_a_stage_takes_its_own_settings_only(run: Run) -> None:
    with open_run(
        options(run, "quantize.calibration_images=5", "data.workers=0"), "quantize"
    ) as opened:
        recipe = load_recipe(opened.root / "recipe.yaml")
        assert (recipe.quantize.calibration_images, recipe.data.workers) == (5, 0)
        assert go(opened)  # a command's stages run inside its lock
    before = (run.root / "recipe.yaml").read_bytes()
    with (
        pytest.raises(
            ConfigError, match=r"--set teacher.train.epochs is not of this stage. Here: student\.\*"
        ),
        open_run(options(run, "teacher.train.epochs=9"), "student"),
    ):
        pass
    assert (run.root / "recipe.yaml").read_bytes() == before
