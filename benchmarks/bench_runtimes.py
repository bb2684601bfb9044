"""Latency of every bundle of the most recent run under pytest-benchmark.

    pytest benchmarks/bench_runtimes.py

Its name keeps it out of ordinary test runs. `GAZECLIP_RUN=runs/NAME` measures another run,
`GAZECLIP_THREADS=1` with other threads. `python -m benchmarks` interleaves its subjects and is what
figures are quoted from; this suite is for watching one machine over time (`--benchmark-autosave`,
`--benchmark-compare`).
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazeclip.bundle.layout import MANIFEST
from gazeclip.errors import GazeClipError, StageError
from gazeclip.files.atomic import read_json
from gazeclip.run.folder import Run, latest_run
from gazeclip.system.place import command_line
from runtimes import Verifier, engine_status, load, usable_threads
from runtimes.engines.registry import engine_made_for

BATCHES = (1, 8)


def find_bundles() -> list[Path]:
    """Bundle folders of the run that this machine has an engine for.

    Raises:
        StageError: no run, no bundle, or no engine for any of them.
    """
    asked = os.environ.get("GAZECLIP_RUN")
    run = Run(Path(asked) if asked else latest_run())
    folders = sorted(
        path.parent
        for path in run.folder("export").rglob(MANIFEST)
        if "." not in path.parent.name[:1]
    )
    if not folders:
        raise StageError(
            f"no bundle under {run.folder('export')}",
            remedy=f"Run first: {command_line('export', '--target', 'all')}",
        )
    status = engine_status()
    runnable = []
    for folder in folders:
        engine = engine_made_for(str(read_json(folder / MANIFEST).get("model_file")))
        reason = status.get(engine, "no engine reads it") if engine else "no engine reads it"
        if reason is None:
            runnable.append(folder)
        else:
            warnings.warn(f"{folder} is left out: {reason}", RuntimeWarning, stacklevel=2)
    if not runnable:
        raise StageError(
            f"no engine here runs a bundle of {run.root}", remedy=f"See: {command_line('doctor')}"
        )
    return runnable


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One benchmark per bundle and batch; without a run, one error line says what to do."""
    if "bundle" not in metafunc.fixturenames:
        return
    try:
        found: list[Path | GazeClipError] = [*find_bundles()]
    except GazeClipError as error:
        found = [error]
    ids = [item.name if isinstance(item, Path) else "nothing to measure" for item in found]
    metafunc.parametrize("bundle", found, ids=ids, indirect=True, scope="module")


@pytest.fixture(scope="module")
def bundle(request: pytest.FixtureRequest) -> Path:
    """A bundle folder.

    An error, not a skip, if there is none: a benchmark that ran nothing must not look green.
    """
    if isinstance(request.param, GazeClipError):
        pytest.fail(f"error: {request.param}", pytrace=False)
    return Path(request.param)


@pytest.fixture(scope="module")
def verifier(bundle: Path) -> Verifier:
    """The bundle in its engine, at the asked-for number of threads."""
    asked = os.environ.get("GAZECLIP_THREADS")
    return load(bundle, threads=int(asked) if asked else usable_threads())


@pytest.mark.parametrize("batch", BATCHES)
def test_inference(benchmark: Any, verifier: Verifier, batch: int) -> None:
    """Uint8 pixels in, four outputs out; decoding is not included."""
    images, _ = verifier.bundle.golden
    pixels = np.ascontiguousarray(np.resize(images, (batch, *images.shape[1:])))
    benchmark.group = f"batch {batch}"
    benchmark.extra_info.update(engine=verifier.engine.label, threads=verifier.threads, batch=batch)
    # `infer` itself refuses outputs that are not those of the whole batch.
    benchmark.pedantic(verifier.infer, args=(pixels,), rounds=50, warmup_rounds=10)
