"""Core ML: `.mlpackage` bundles, on macOS only (elsewhere Core ML itself does not exist)."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
from PIL import Image

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import COMPUTE_UNITS, CONVERSION, INPUT_NAME, OUTPUTS
from gazeclip.errors import BundleError, ConfigError, Fault
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

# What `--device` may also say, as of other engines.
_SHORT = {"cpu": "cpu_only", "gpu": "cpu_and_gpu", "ane": "cpu_and_ne"}


class CoreMlEngine(Engine):
    """One loaded package; images go in as images (`ImageType`), one at a time.

    `device` are the compute units: one of `COMPUTE_UNITS`, `cpu`, `gpu` or `ane`. None takes those
    that the bundle was exported for, and `all` where it names none.
    """

    name = "coreml"

    @classmethod
    def find_fault(cls) -> Fault | None:
        if sys.platform != "darwin":
            here = f"Core ML runs on macOS only and this is {sys.platform}"
            return Fault(here, "Use the bundle of another target")
        return find_library_fault("coremltools", "coreml")

    def __init__(self, bundle: Bundle, threads: int, device: str | None = None) -> None:
        units = choose_units(bundle, device).upper()
        coremltools = require("coremltools", extra="coreml")
        path = bundle.model_path
        try:
            model = coremltools.models.MLModel(
                str(path), compute_units=getattr(coremltools.ComputeUnit, units)
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
        self.label = f"coreml {read_version(coremltools)} {units}"

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


def choose_units(bundle: Bundle, asked: str | None) -> str:
    """One of `COMPUTE_UNITS`: those asked for, else those that the bundle names, else `all`.

    Raises:
        ConfigError: there are none of the name that was asked for.
        BundleError: there are none of the name in the bundle.
    """
    if asked is not None:
        units = _SHORT.get(asked.lower(), asked.lower())
        if units not in COMPUTE_UNITS:
            known = ", ".join((*COMPUTE_UNITS, *_SHORT))
            raise ConfigError(f"Core ML has no device '{asked}'", remedy=f"Available: {known}")
        return units
    stated = bundle.meta.get("metrics", {}).get(CONVERSION, {}).get("compute_units", "all")
    if stated not in COMPUTE_UNITS:
        raise BundleError(
            f"bundle {bundle.folder}: Core ML has no compute units '{stated}'",
            remedy=f"Name others with --compute-units: {', '.join(COMPUTE_UNITS)}",
        )
    return str(stated)
