"""One process of its own from nothing to verdicts: its time, its memory, its stages.

    python -m benchmarks.measure.fresh BUNDLE IMAGE THREADS ROUNDS

It prints one line of JSON. Nothing of the project is imported before the clock runs.
"""

from __future__ import annotations

import time

_BEGAN = time.perf_counter()

import itertools  # noqa: E402
import json  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

STATUS = Path("/proc/self/status")


def main(arguments: list[str]) -> None:
    """Judge the faces of one picture ROUNDS times after the first verdict."""
    bundle, image, threads, rounds = arguments
    marks = [_BEGAN]
    from runtimes import load

    marks.append(time.perf_counter())
    verifier = load(bundle, threads=int(threads), allow_rejected=True)
    marks.append(time.perf_counter())
    verifier.verify(image, crop="face")
    marks.append(time.perf_counter())
    stages: dict[str, list[float]] = {}
    for _ in range(int(rounds)):
        for name, value in verifier.verify(image, crop="face")[0].timings_ms.items():
            stages.setdefault(name, []).append(value)
    spans = [1e3 * (after - before) for before, after in itertools.pairwise(marks)]
    found = {
        "start_ms": dict(zip(("import", "load", "first verdict"), spans, strict=True)),
        "stages_ms": {name: statistics.median(values) for name, values in stages.items()},
        "peak_mb": read_peak_mb(STATUS),
    }
    sys.stdout.write(json.dumps(found) + "\n")


def read_peak_mb(status: Path) -> float | None:
    """The most memory that this process has had resident, in megabytes (10^6 bytes).

    From `VmHWM` of proc(5), which begins anew with every program; `ru_maxrss` is handed on by the
    process that started this one. None where the system does not tell.
    """
    try:
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except (OSError, ValueError, IndexError):
        pass
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
