"""OpenVINO as far as it is needed to run a network: its import, the one Core, how it computes."""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any

from gazeclip.system.packages import require

_CONVERTER = "openvino.tools.ovc"


def import_openvino() -> ModuleType:
    """OpenVINO without its converter, whose import takes longer than all the rest of it.

    The converter is imported when `openvino.convert_model` is asked for, so that whoever exports in
    the same process finds it. An OpenVINO that is imported already is left as it is.

    Raises:
        MissingDependencyError: it is not installed, or broken.
    """
    if "openvino" in sys.modules or _CONVERTER in sys.modules:
        return require("openvino", extra="openvino")
    # OpenVINO does without what cannot be imported
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]
    try:
        library = require("openvino", extra="openvino")
    finally:
        sys.modules.pop(_CONVERTER, None)
    if not hasattr(library, "convert_model"):
        library.__getattr__ = _import_converter  # type: ignore[method-assign]
    return library


def _import_converter(name: str) -> Any:
    """What OpenVINO's module lacks when it is asked for it (PEP 562)."""
    if name != "convert_model":
        raise AttributeError(f"module 'openvino' has no attribute '{name}'")
    return require(_CONVERTER, extra="openvino").convert_model


@functools.cache
def share_core() -> Any:
    """OpenVINO's entrance, one for the process, which is never given back.

    On CPUs with AMX its plugin gives the thread that compiles a stack for signals, and takes that
    memory away with the last Core, also from another thread, which leaves the first one without.
    The next signal with a handler then kills the process without a word.

    Raises:
        MissingDependencyError: it is not installed.
    """
    return import_openvino().Core()


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
