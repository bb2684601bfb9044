"""OpenVINO: IR bundles, and ONNX bundles on request."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import OUTPUTS
from gazeclip.errors import ConfigError, Fault, MissingDependencyError
from runtimes.engines.bank import BankFeed
from runtimes.engines.base import (
    Engine,
    Outputs,
    cannot_load,
    check_input,
    check_names,
    in_batches_of,
    read_version,
)
from runtimes.openvino_cache import compile_for_cpu
from runtimes.openvino_core import import_openvino, make_cpu_settings, share_core

_CPU = "CPU"


class OpenVinoEngine(Engine):
    """One compiled model with one infer request per calling thread."""

    name = "openvino"

    @classmethod
    def find_fault(cls) -> Fault | None:
        try:
            import_openvino()
        except MissingDependencyError as error:
            return Fault(error.message, error.remedy or "", MissingDependencyError)
        return None

    def __init__(self, bundle: Bundle, threads: int, device: str | None = None) -> None:
        library = import_openvino()
        place = (device or _CPU).upper()
        if place != _CPU:  # which is always there; to ask loads the plugins of all devices
            _check_device(place, share_core().available_devices)
        path = bundle.model_path
        try:
            compiled = _compile(path, place, _make_settings(place, threads))
            port = compiled.input(0)
        except RuntimeError as error:
            raise cannot_load(self.name, path, error) from error
        shape = tuple(
            None if axis.is_dynamic else int(axis.get_length()) for axis in port.get_partial_shape()
        )
        dtype = np.dtype(port.get_element_type().to_dtype()).name
        self._fixed = check_input(path, dtype, shape, bundle.image_size)
        names = {name: bundle.graph_name(name) for name in OUTPUTS}
        found = {alias: output for output in compiled.outputs for alias in output.get_names()}
        check_names(path, names, list(found))
        self._ports = {name: found[graph] for name, graph in names.items()}
        self.bank = BankFeed.of_bundle(bundle)
        self._compiled: Any = compiled
        self._local = threading.local()
        self.label = f"openvino {read_version(library)} {place}"

    def infer(self, images: np.ndarray) -> Outputs:
        return in_batches_of(self._fixed, images, self._run_batch)

    def _run_batch(self, images: np.ndarray) -> Outputs:
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        # the input is only read while this call lasts, so it may be shared; the results are copied
        # out
        feeds: dict[int | str, np.ndarray] = {0: np.ascontiguousarray(images)}
        if self.bank is not None:
            feeds[self.bank.name] = self.bank.values
        results = request.infer(feeds, share_inputs=True, share_outputs=False)
        outputs = {name: results[port] for name, port in self._ports.items()}
        return outputs if self.bank is None else self.bank.cut(outputs)


def _check_device(place: str, there: list[str]) -> None:
    if not any(place == known or known.startswith(f"{place}.") for known in there):
        raise ConfigError(
            f"OpenVINO finds no device '{place}' here", remedy=f"Available: {', '.join(there)}"
        )


def _compile(path: Path, place: str, settings: dict[str, Any]) -> Any:
    if place == _CPU and path.suffix == ".xml":
        return compile_for_cpu([path, path.with_suffix(".bin")], settings)
    core = share_core()
    return core.compile_model(core.read_model(str(path)), place, settings)


def _make_settings(place: str, threads: int) -> dict[str, Any]:
    """Latency first, and the precision of the file."""
    if place == _CPU:
        return make_cpu_settings(threads)
    return {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
