"""The detector's network in ONNX Runtime or OpenVINO, whichever is installed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gazeclip.errors import ArtifactError, MissingDependencyError
from gazeclip.system.packages import install_command, is_installed, require
from runtimes.onnx_options import make_options
from runtimes.openvino_cache import compile_for_cpu
from runtimes.openvino_core import make_cpu_settings

MODEL = Path(__file__).with_name("yunet.onnx")
MODEL_SHA256 = "218189ac3cfdd2aa74b4afbb2dae8299a5a2a07de08da50eb3bf9903b8aeb46c"
INPUT_SIZE = 640
_OUTPUTS = ("boxes", "points", "scores")
Answers = tuple[np.ndarray, np.ndarray, np.ndarray]
Network = Callable[[np.ndarray], Answers]
"""uint8 RGB `(1, 640, 640, 3)` -> boxes `(N, 4)`, points `(N, 5, 2)`, scores `(N,)` in pixels."""


def load_network(threads: int = 1, wish: str | None = None) -> tuple[str, Network]:
    """The name of the library that runs the network, and the network; both give the same boxes.

    Args:
        wish: the library that is taken if it is one of the two and installed.

    Raises:
        MissingDependencyError: neither is installed.
        ArtifactError: the file is not the one that belongs to this program.
    """
    name = choose_library(wish)
    digest = hashlib.sha256(_read_model()).hexdigest()
    if digest != MODEL_SHA256:
        raise ArtifactError(
            f"{MODEL} is not the face detector (SHA-256 {digest})", remedy="Install it again"
        )
    return name, _LOADERS[name](threads)


def choose_library(wish: str | None = None) -> str:
    """`onnxruntime` or `openvino`.

    Raises:
        MissingDependencyError: neither is installed.
    """
    installed = [name for name in _LOADERS if is_installed(name)]
    if not installed:
        raise MissingDependencyError(
            "finding faces needs ONNX Runtime or OpenVINO, and neither is installed",
            remedy=f"Run: {install_command('openvino')}, or judge face crops with --crop whole",
        )
    return wish if wish in installed else installed[0]


def _read_model() -> bytes:
    try:
        return MODEL.read_bytes()
    except OSError as error:
        what = f"{MODEL} cannot be read ({error.strerror})"
        raise ArtifactError(what, remedy="Install it again") from error


def _load_onnxruntime(threads: int) -> Network:
    ort = require("onnxruntime", extra="onnx")
    options = make_options(ort, threads)
    session = ort.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])

    def run(pixels: np.ndarray) -> Answers:
        boxes, points, scores = session.run(_OUTPUTS, {"image": pixels})
        return boxes, points, scores

    return run


def _load_openvino(threads: int) -> Network:
    compiled = compile_for_cpu([MODEL], make_cpu_settings(threads))
    ports = [compiled.output(name) for name in _OUTPUTS]

    def run(pixels: np.ndarray) -> Answers:
        # a request of its own: one of all threads would be busy
        results = compiled.create_infer_request().infer({0: pixels}, share_outputs=False)
        boxes, points, scores = (results[port] for port in ports)
        return boxes, points, scores

    return run


_LOADERS: dict[str, Callable[[int], Network]] = {
    "onnxruntime": _load_onnxruntime,
    "openvino": _load_openvino,
}
