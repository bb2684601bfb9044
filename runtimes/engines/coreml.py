"""Core ML: `.mlpackage` bundles, on macOS only (elsewhere Core ML itself does not exist)."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
from PIL import Image

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import INPUT_NAME, OUTPUTS
from gazeclip.errors import ConfigError, Fault
from gazeclip.system.packages import require
from runtimes.engines.bank import BankFeed
from runtimes.engines.base import (
    Engine,
    Outputs,
    cannot_load,
    check_names,
    find_library_fault,
    in_batches_of,
    read_version,
)

_UNITS = {"all": "ALL", "cpu": "CPU_ONLY", "gpu": "CPU_AND_GPU", "ane": "CPU_AND_NE"}


class CoreMlEngine(Engine):
    """One loaded package; images go in as images (`ImageType`), one at a time."""

    name = "coreml"

    @classmethod
    def find_fault(cls) -> Fault | None:
        if sys.platform != "darwin":
            here = f"Core ML runs on macOS only and this is {sys.platform}"
            return Fault(here, "Use the bundle of another target")
        return find_library_fault("coremltools", "coreml")

    def __init__(self, bundle: Bundle, threads: int, device: str | None = None) -> None:
        units = (device or "all").lower()
        if units not in _UNITS:
            raise ConfigError(
                f"Core ML has no device '{device}'", remedy=f"Available: {', '.join(_UNITS)}"
            )
        coremltools = require("coremltools", extra="coreml")
        path = bundle.model_path
        try:
            model = coremltools.models.MLModel(
                str(path), compute_units=getattr(coremltools.ComputeUnit, _UNITS[units])
            )
            found = [output.name for output in model.get_spec().description.output]
        except (RuntimeError, ValueError, OSError) as error:
            raise cannot_load(self.name, path, error) from error
        self._names = {name: bundle.graph_name(name) for name in OUTPUTS}
        check_names(path, self._names, found)
        self._input = bundle.graph_name(INPUT_NAME)
        self.bank = BankFeed.of_bundle(bundle)
        self._model: Any = model
        self._lock = threading.Lock()
        # Core ML schedules its own threads; the count cannot be set
        self.label = f"coreml {read_version(coremltools)} {_UNITS[units]}"

    def infer(self, images: np.ndarray) -> Outputs:
        return in_batches_of(1, images, self._run_batch)

    def _run_batch(self, images: np.ndarray) -> Outputs:
        with self._lock:
            feeds: dict[str, Any] = {self._input: Image.fromarray(images[0])}
            if self.bank is not None:
                feeds[self.bank.name] = self.bank.values
            results = self._model.predict(feeds)
        outputs = {
            name: np.asarray(results[graph], np.float32).reshape(1, -1)
            for name, graph in self._names.items()
        }
        return outputs if self.bank is None else self.bank.cut(outputs)
