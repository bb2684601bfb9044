"""How ONNX Runtime is to compute, for the engine, the face detector and their measurement."""

from __future__ import annotations

from typing import Any


def make_options(ort: Any, threads: int) -> Any:
    """Session options of the library `ort`: one inference at a time, errors only in the log."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return options
