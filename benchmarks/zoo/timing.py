"""`python -m benchmarks.zoo.timing FOLDER CELL...`: the files of one student side by side.

One process times them all in interleaved rounds: a machine that slows down does so for all alike,
and one file's time may be compared with another's.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure.latency import LatencyConfig, measure_latency
from benchmarks.zoo.places import THREADS, open_made, place_files, place_result, read_probes
from export.runner import open_runner
from gazeclip.files.atomic import write_json

RESULT = "times"
_LATENCY = LatencyConfig(rounds=10, budget_s=2.0, warmup_max_s=1.0)


def time_files(folder: Path, cell_names: list[str]) -> dict[str, dict[str, Any]]:
    """`latency_ms` of one image, the median, and `disturbed`, by the name of the cell."""
    image = read_probes(folder)[:1]
    calls = {}
    for name in cell_names:
        infer, _ = open_runner(open_made(place_files(folder, name)), THREADS)
        calls[name] = partial(infer, image)
    found = measure_latency(calls, _LATENCY, threads=THREADS)
    return {
        name: {"latency_ms": round(stats.p50, 3), "disturbed": stats.disturbed}
        for name, stats in found.items()
    }


def main() -> None:
    """See the module."""
    folder = Path(sys.argv[1])
    write_json(place_result(folder, RESULT), time_files(folder, sys.argv[2:]))


if __name__ == "__main__":
    main()
