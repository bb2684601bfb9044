"""How long a fresh process takes to its first verdict, by stage."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gazeclip.console.progress import progress_callback
from gazeclip.console.text import take_last_line
from gazeclip.errors import StageError
from gazeclip.system.place import ROOT

_CHILD = "benchmarks.engines.first_verdict"
Start = dict[str, float]
"""Milliseconds by stage, in their order."""


def measure_starts(
    bundles: Sequence[Path], image: Path, crop: str, threads: int, rounds: int
) -> dict[Path, list[Start]]:
    """Starts of each bundle in turn, so that whatever slows the machine slows all alike.

    The first round is not counted: it fills the system's cache of files.

    Raises:
        StageError: a process ends without a verdict; with its own words.
    """
    found: dict[Path, list[Start]] = {bundle: [] for bundle in bundles}
    with progress_callback("starts") as update:
        for number in range(rounds + 1):
            for bundle in bundles:
                start = run_once(bundle, image, crop, threads)
                if number:
                    found[bundle].append(start)
            update(number + 1, rounds + 1)
    return found


def run_once(bundle: Path, image: Path, crop: str, threads: int) -> Start:
    """One start in a process of its own.

    Raises:
        StageError: it ends without a verdict.
    """
    command = [sys.executable, "-m", _CHILD, repr(time.time()), str(bundle.resolve())]
    command += [str(image.resolve()), crop, str(threads)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        last = take_last_line(done.stderr, f"exit code {done.returncode}")
        raise StageError(f"{bundle}: {last}", remedy="Run verify --self-test on it")
    start: Start = json.loads(done.stdout.splitlines()[-1])
    return start
