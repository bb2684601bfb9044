"""LiteRT: TFLite bundles, through `ai_edge_litert` or the older and smaller `tflite_runtime`."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import INPUT_NAME, OUTPUTS
from gazeclip.errors import ConfigError, Fault
from gazeclip.system.packages import require
from runtimes.engines.bank import BankFeed
from runtimes.engines.base import (
    Engine,
    Outputs,
    cannot_load,
    check_input,
    check_names,
    find_library_fault,
    in_batches_of,
    read_version,
)

_PREFERRED = "ai_edge_litert"
_LIBRARIES = (_PREFERRED, "tflite_runtime")


class LiteRtEngine(Engine):
    """One interpreter behind a lock: it holds one input and one set of outputs."""

    name = "litert"

    @classmethod
    def find_fault(cls) -> Fault | None:
        if _usable_library() is not None:
            return None
        return find_library_fault(f"{_PREFERRED}.interpreter", "tflite")

    def __init__(self, bundle: Bundle, threads: int, device: str | None = None) -> None:
        if device is not None and device.lower() != "cpu":
            raise ConfigError(f"LiteRT has no device '{device}' here", remedy="Available: cpu")
        library = _usable_library() or _PREFERRED
        module = require(f"{library}.interpreter", extra="tflite")
        path = bundle.model_path
        try:
            interpreter = module.Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise cannot_load(self.name, path, error) from error
        self.bank = BankFeed.of_bundle(bundle)
        inputs = _input_details(interpreter)
        entry = (
            inputs[bundle.graph_name(INPUT_NAME)]
            if self.bank
            else interpreter.get_input_details()[0]
        )
        self._bank_index = -1 if self.bank is None else int(inputs[self.bank.name]["index"])
        shape = tuple(int(axis) for axis in entry["shape"])
        self._fixed = check_input(path, np.dtype(entry["dtype"]).name, shape, bundle.image_size)
        names = {name: bundle.graph_name(name) for name in OUTPUTS}
        found = _output_indices(interpreter)
        check_names(path, names, list(found))
        self._indices = {name: found[graph] for name, graph in names.items()}
        self._input = int(entry["index"])
        self._interpreter: Any = interpreter
        self._lock = threading.Lock()
        release = read_version(require(library, extra="tflite"))
        self.label = f"litert {library} {release} CPU"

    def infer(self, images: np.ndarray) -> Outputs:
        return in_batches_of(self._fixed, images, self._run_batch)

    def _run_batch(self, images: np.ndarray) -> Outputs:
        with self._lock:
            self._interpreter.set_tensor(self._input, images)
            if self.bank is not None:
                self._interpreter.set_tensor(self._bank_index, self.bank.values)
            self._interpreter.invoke()
            outputs = {
                name: self._interpreter.get_tensor(index) for name, index in self._indices.items()
            }
        return outputs if self.bank is None else self.bank.cut(outputs)


def _usable_library() -> str | None:
    """The first library whose interpreter can be imported.

    The second is not touched where the first will do.
    """
    for library in _LIBRARIES:
        if find_library_fault(f"{library}.interpreter", "tflite") is None:
            return library
    return None


def _input_details(interpreter: Any) -> dict[str, Any]:
    """What is known of the inputs, by the tensors' names and those of the signature."""
    details = {entry["name"]: entry for entry in interpreter.get_input_details()}
    signatures = interpreter.get_signature_list()
    if signatures:
        runner = interpreter.get_signature_runner(next(iter(signatures)))
        details |= runner.get_input_details()
    return details


def _output_indices(interpreter: Any) -> dict[str, int]:
    """Tensor index by output name, the tensors' own names and those of the signature."""
    indices = {entry["name"]: int(entry["index"]) for entry in interpreter.get_output_details()}
    signatures = interpreter.get_signature_list()
    if signatures:
        runner = interpreter.get_signature_runner(next(iter(signatures)))
        indices |= {
            name: int(entry["index"]) for name, entry in runner.get_output_details().items()
        }
    return indices
