"""The one `openvino.Core` of this process, which is never given back, and how it is to compute."""

from __future__ import annotations

import functools
from typing import Any

from gazeclip.system.packages import require


@functools.cache
def share_core() -> Any:
    """OpenVINO's entrance.

    On CPUs with AMX its plugin gives the thread that compiles a stack for signals, and takes that
    memory away with the last Core, also from another thread, which leaves the first one without.
    The next signal with a handler then kills the process without a word.

    Raises:
        MissingDependencyError: it is not installed.
    """
    return require("openvino", extra="openvino").Core()


def make_cpu_settings(threads: int) -> dict[str, Any]:
    """Of a network on the CPU: latency first, and the precision of the file."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        # some CPUs would compute fp32 layers in bf16 or fp16 otherwise
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # two processes would otherwise be pinned to the same cores
        "ENABLE_CPU_PINNING": False,
    }
