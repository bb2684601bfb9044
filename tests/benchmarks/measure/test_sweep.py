"""Threads, batches and fresh processes, on small bundles."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.command import add_options, read_changes
from benchmarks.measure import sweep
from benchmarks.measure.fresh import read_peak_mb
from benchmarks.measure.latency import LatencyConfig
from gazeclip.bundle.bundle import Bundle
from gazeclip.console.parser import CommandParser
from gazeclip.errors import ConfigError, StageError


@pytest.fixture(autouse=True)
def measure_hastily(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed is not what is tested here."""
    hasty = partial(LatencyConfig, rounds=1, min_round_time_s=0.0, warmup_max_s=0.0, max_repeats=0)
    monkeypatch.setattr(sweep, "LatencyConfig", hasty)


def test_every_setting_has_a_row_and_its_batch(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, tuple[int, ...]]] = []

    def open_counted(bundle: Bundle, threads: int) -> Any:
        def infer(images: np.ndarray) -> dict[str, np.ndarray]:
            shapes.append((threads, images.shape))
            return {}

        return infer, "onnxruntime"

    monkeypatch.setattr(sweep, "open_runner", open_counted)
    rows = sweep.measure_sweep({"a": Bundle.load(bundles["onnx"])}, (1, 2), (1, 3), 0.01)
    assert [(row["threads"], row["batch"]) for row in rows] == [(1, 1), (1, 3), (2, 1), (2, 3)]
    assert {(threads, shape[0]) for threads, shape in shapes} == {(1, 1), (1, 3), (2, 1), (2, 3)}
    for row in rows:
        assert row["images_per_s"] == pytest.approx(1000 * row["batch"] / row["p50"])


def test_the_peak_is_read_from_the_system(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("VmPeak:\t  900 kB\nVmHWM:\t  500000 kB\n")
    assert read_peak_mb(status) == 512.0
    status.write_text("VmHWM:\n")
    assert read_peak_mb(status) is None
    assert read_peak_mb(tmp_path / "none") is None


def test_starts_are_medians_and_the_first_round_does_not_count(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([900.0, 10.0, 30.0, 20.0])

    def start(*_: Any) -> dict[str, Any]:
        value = next(values)
        return {"start_ms": {"load": value}, "stages_ms": {"decode": 1.0}, "peak_mb": value}

    monkeypatch.setattr(sweep, "start_once", start)
    (row,) = sweep.measure_starts({"a": Bundle.load(bundles["onnx"])}, Path("x.jpg"), 1)
    assert row["start_ms"] == {"load": 20.0} and row["peak_mb"] == 20.0


def test_a_process_that_fails_is_told_with_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], env: dict[str, str], **_: Any) -> Any:
        assert command[2] == sweep.CHILD
        assert "GAZECLIP_TRUSTED_KEY" not in env  # of bundles that are chosen already
        assert env["GAZECLIP_MODEL_CACHE"] == "off" and "PATH" in env  # a cold start
        return subprocess.CompletedProcess(command, 1, "", "Traceback\nerror: no such model\n")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("GAZECLIP_TRUSTED_KEY", "release.pub")
    with pytest.raises(StageError, match="no such model"):
        sweep.start_once(tmp_path, tmp_path / "x.jpg", 1)


def parse_changes(*words: str) -> dict[str, Any]:
    parser = CommandParser()
    add_options(parser)
    return read_changes(parser.parse_args(list(words)))


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ([], {}),
        (["--threads", "1,2,all"], {"sweep_threads": [1, 2, 0]}),
        (["--batch", "8"], {"sweep_threads": [0], "sweep_batches": [8]}),
        (["--starts", "--threads", "1,1"], {"starts": True, "sweep_threads": [1]}),
        (["--robustness", "--images", "9"], {"robustness": True, "robustness_images": 9}),
    ],
)
def test_options_stand_for_keys_of_the_recipe(words: list[str], changes: dict[str, Any]) -> None:
    assert parse_changes(*words) == changes


@pytest.mark.parametrize("words", [["--threads", "0"], ["--batch", "all"], ["--threads", "1,,2"]])
def test_numbers_that_are_none_are_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError, match="is no number of them"):
        parse_changes(*words)


@pytest.mark.slow
def test_a_fresh_process_gives_its_figures(bundles: dict[str, Path]) -> None:
    (row,) = sweep.measure_starts_on_photo({"a": Bundle.load(bundles["onnx"])}, 1)
    assert set(row["start_ms"]) == {"import", "load", "first verdict"}
    assert {"decode", "detect", "inference", "post"} <= set(row["stages_ms"])
    assert row["peak_mb"] is None or row["peak_mb"] > 20
    assert json.dumps(row)
