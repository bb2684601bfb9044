"""A model file in its engine, called as directly as it can be, on one input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gazeclip.system.packages import is_installed, require
from runtimes.onnx_options import make_options
from runtimes.openvino_core import make_cpu_settings, share_core

Call = Callable[[], object]


def open_file(target: str, path: Path, *, example: np.ndarray, threads: int) -> Call:
    """A pass of the file over `example (1, 3, S, S)`; its answers are thrown away.

    Raises:
        Exception: whatever the engine says of a file that it cannot run.
    """
    return _OPENERS[target](path, example, threads)


def _open_onnxruntime(path: Path, example: np.ndarray, threads: int) -> Call:
    ort = require("onnxruntime", extra="onnx")
    options = make_options(ort, threads)
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: example}
    return lambda: session.run(None, given)


def _open_openvino(path: Path, example: np.ndarray, threads: int) -> Call:
    core = share_core()
    compiled = core.compile_model(core.read_model(str(path)), "CPU", make_cpu_settings(threads))
    request = compiled.create_infer_request()
    return lambda: request.infer({0: example}, share_inputs=True, share_outputs=True)


def _open_litert(path: Path, example: np.ndarray, threads: int) -> Call:
    library = "ai_edge_litert" if is_installed("ai_edge_litert") else "tflite_runtime"
    module = require(f"{library}.interpreter", extra="tflite")
    interpreter = module.Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    image = np.ascontiguousarray(example.transpose(0, 2, 3, 1))  # (1, S, S, 3)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    return lambda: interpreter.invoke()


_OPENERS: dict[str, Callable[[Path, np.ndarray, int], Call]] = {
    "onnx": _open_onnxruntime,
    "openvino": _open_openvino,
    "tflite": _open_litert,
}
