"""An engine's library called as directly as it can be: what the engine around it is compared with.

Each takes uint8 `(1, S, S, 3)`, with the settings that the engine itself has.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import OUTPUTS
from gazeclip.errors import ConfigError
from gazeclip.system.packages import is_installed, require
from runtimes.onnx_options import make_options
from runtimes.openvino_core import make_cpu_settings, share_core

Call = Callable[[np.ndarray], object]


def open_bare(bundle: Bundle, engine: str, threads: int) -> Call:
    """A session of its own on a bundle's model.

    Raises:
        ConfigError: of this engine, or for such a bundle, no direct call is written down here.
    """
    if engine not in _OPENERS:
        raise ConfigError(f"{engine} is not measured bare", remedy=f"Use {', '.join(_OPENERS)}")
    if bundle.bank_input is not None:
        what = f"{bundle.folder} takes its text bank from outside, which no direct call here feeds"
        raise ConfigError(what, remedy="Use a bundle that was exported with --text-bank baked")
    return _OPENERS[engine](bundle, threads)


def _open_onnxruntime(bundle: Bundle, threads: int) -> Call:
    ort = require("onnxruntime", extra="onnx")
    options = make_options(ort, threads)
    session = ort.InferenceSession(
        str(bundle.model_path), options, providers=["CPUExecutionProvider"]
    )
    names = [bundle.graph_name(name) for name in OUTPUTS]
    entry = session.get_inputs()[0].name
    return lambda image: session.run(names, {entry: image})


def _open_openvino(bundle: Bundle, threads: int) -> Call:
    core = share_core()
    settings = make_cpu_settings(threads)
    compiled = core.compile_model(core.read_model(str(bundle.model_path)), "CPU", settings)
    request = compiled.create_infer_request()
    # nothing is copied: the results are views that the next call overwrites
    return lambda image: request.infer({0: image}, share_inputs=True, share_outputs=True)


def _open_litert(bundle: Bundle, threads: int) -> Call:
    library = "ai_edge_litert" if is_installed("ai_edge_litert") else "tflite_runtime"
    module = require(f"{library}.interpreter", extra="tflite")
    interpreter = module.Interpreter(model_path=str(bundle.model_path), num_threads=threads)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]["index"]
    places = [output["index"] for output in interpreter.get_output_details()]

    def call(image: np.ndarray) -> list[np.ndarray]:
        interpreter.set_tensor(entry, image)
        interpreter.invoke()
        return [interpreter.get_tensor(place) for place in places]

    return call


_OPENERS: dict[str, Callable[[Bundle, int], Call]] = {
    "onnxruntime": _open_onnxruntime,
    "openvino": _open_openvino,
    "litert": _open_litert,
}
