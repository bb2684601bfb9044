"""Bundles with several numbers of threads and sizes of batches, and each in a fresh process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faces.photo import draw_photo
from benchmarks.measure import energy
from benchmarks.measure.latency import LatencyConfig, LatencyStats, measure_latency
from benchmarks.measure.part_costs import measure_parts
from export.registry import find_target
from export.runner import open_runner
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.trust import VARIABLE
from gazeclip.console.progress import progress_callback
from gazeclip.console.text import take_last_line
from gazeclip.errors import StageError
from gazeclip.recipe.stages import ReportStage
from gazeclip.system.place import ROOT
from gazeclip.system.threads import usable_threads
from runtimes.engines.registry import ENGINES
from runtimes.openvino_cache import OFF, SWITCH

CHILD = "benchmarks.measure.fresh"
CHILD_SECONDS = 300  # a start takes seconds; one that hangs must not hang the report
CHILD_ROUNDS = 9
FACE_SIDE = 1000  # pixels of the crop around the face
STARTS = 3  # fresh processes of each bundle after one that fills the system's cache of files


def measure_speed(
    folders: Sequence[Path], stage: ReportStage, threads: int
) -> dict[str, Any] | None:
    """`sweep`, `starts`, `parts` and `energy` of report.json's `speed`, as far as asked for."""
    if not stage.sweep_threads and not stage.starts:
        return None
    bundles = name_bundles(folders)
    counts = tuple(dict.fromkeys(count or usable_threads() for count in stage.sweep_threads))
    found: dict[str, Any] = {"sweep": [], "starts": [], "parts": [], "energy": None}
    if counts:
        seconds = stage.latency_seconds
        found["sweep"] = measure_sweep(bundles, counts, stage.sweep_batches, seconds)
    if stage.starts:
        found["starts"] = measure_starts_on_photo(bundles, threads)
        found["parts"] = measure_parts(bundles, threads, stage.latency_seconds)
        found["energy"] = energy.measure_bundles(bundles, threads)
    return found


def name_bundles(folders: Sequence[Path]) -> dict[str, Bundle]:
    """The bundles that the engine they are made for runs here, by `name_folders`.

    A reference evaluator is no engine.
    """
    found = {}
    for name, folder in zip(name_folders(folders), folders, strict=True):
        bundle = Bundle.load(folder)
        if ENGINES[find_target(bundle.target).engine].load().available() is None:
            found[name] = bundle
    return found


def name_folders(folders: Sequence[Path]) -> list[str]:
    """Each one's last name, or all of it where another one has the same."""
    names = [folder.name for folder in folders]
    return [
        name if names.count(name) == 1 else str(folder)
        for name, folder in zip(names, folders, strict=True)
    ]


def measure_sweep(
    bundles: Mapping[str, Bundle], threads: Sequence[int], batches: Sequence[int], seconds: float
) -> list[dict[str, Any]]:
    """Latency of a whole batch for every bundle, number of threads and size of batch.

    Rows have `name`, `threads`, `batch`, `p50` in milliseconds, `images_per_s` and `disturbed`. All
    bundles of one setting are timed in interleaved rounds.
    """
    rows = []
    for count in threads:
        runners = {name: open_runner(bundle, count)[0] for name, bundle in bundles.items()}
        for batch in batches:
            calls = {
                name: partial(infer, _fill_batch(bundles[name], batch))
                for name, infer in runners.items()
            }
            config = LatencyConfig(budget_s=seconds)
            with progress_callback(f"threads {count}, batch {batch}") as update:
                found = measure_latency(calls, config, threads=count, batch=batch, progress=update)
            rows += [_describe_row(name, stats) for name, stats in found.items()]
    return rows


def _fill_batch(bundle: Bundle, batch: int) -> np.ndarray:
    """Golden images over and over, uint8 `(batch, S, S, 3)`."""
    images, _ = bundle.golden
    return np.ascontiguousarray(np.resize(images, (batch, *images.shape[1:])))


def _describe_row(name: str, stats: LatencyStats) -> dict[str, Any]:
    return {
        "name": name,
        "threads": stats.threads,
        "batch": stats.batch,
        "p50": stats.p50,
        "images_per_s": 1e3 * stats.batch / stats.p50,
        "disturbed": stats.disturbed,
    }


def measure_starts_on_photo(bundles: Mapping[str, Bundle], threads: int) -> list[dict[str, Any]]:
    """`measure_starts` on a drawn JPEG of 12 megapixels with one face."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "photo.jpg"
        image.write_bytes(draw_photo(FACE_SIDE))
        return measure_starts(bundles, image, threads)


def measure_starts(
    bundles: Mapping[str, Bundle], image: Path, threads: int, rounds: int = STARTS
) -> list[dict[str, Any]]:
    """Each bundle in fresh processes, in turn: medians of their figures.

    Rows have `name`, `threads`, `start_ms` and `stages_ms` by stage, `peak_mb`.

    Raises:
        StageError: a process ended without figures; with its own words.
    """
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in bundles}
    with progress_callback("fresh processes") as update:
        for number in range(rounds + 1):
            for name, bundle in bundles.items():
                one = start_once(bundle.folder, image, threads)
                if number:
                    found[name].append(one)
            update(number + 1, rounds + 1)
    return [_summarise_starts(name, threads, ones) for name, ones in found.items()]


def _summarise_starts(name: str, threads: int, ones: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    peaks = [one["peak_mb"] for one in ones if one["peak_mb"] is not None]
    return {
        "name": name,
        "threads": threads,
        "start_ms": _take_medians([one["start_ms"] for one in ones]),
        "stages_ms": _take_medians([one["stages_ms"] for one in ones]),
        "peak_mb": statistics.median(peaks) if peaks else None,
    }


def _take_medians(tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: statistics.median(table[key] for table in tables) for key in tables[0]}


def start_once(bundle: Path, image: Path, threads: int) -> dict[str, Any]:
    """One fresh process, which compiles what it loads: nothing is left of an earlier start.

    Raises:
        StageError: it ends without figures.
    """
    command = [sys.executable, "-m", CHILD, str(bundle.resolve()), str(image.resolve())]
    command += [str(threads), str(CHILD_ROUNDS)]
    # Whoever named the bundle has decided whether it is trusted; a run's own are not signed yet.
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=CHILD_SECONDS,
            env={**environment, SWITCH: OFF},
        )
    except subprocess.TimeoutExpired as error:
        what = f"{bundle}: no verdict within {CHILD_SECONDS} s"
        raise StageError(what, remedy="Run verify on it") from error
    if done.returncode != 0:
        last = take_last_line(done.stderr, f"exit code {done.returncode}")
        raise StageError(f"{bundle}: {last}", remedy="Run verify --self-test on it")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
