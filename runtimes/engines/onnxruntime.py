"""ONNX Runtime: ONNX bundles."""

from __future__ import annotations

from typing import Any

import numpy as np

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import OUTPUTS
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
from runtimes.onnx_options import make_options

_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


class OnnxRuntimeEngine(Engine):
    """One session; `run` is thread-safe in ONNX Runtime."""

    name = "onnxruntime"

    @classmethod
    def find_fault(cls) -> Fault | None:
        return find_library_fault("onnxruntime", "onnx")

    def __init__(self, bundle: Bundle, threads: int, device: str | None = None) -> None:
        ort = require("onnxruntime", extra="onnx")
        provider = _choose_provider(device or "cpu", ort.get_available_providers())
        path = bundle.model_path
        try:
            session = ort.InferenceSession(
                str(path), make_options(ort, threads), providers=[provider]
            )
        except Exception as error:  # its exceptions share no public base class
            raise cannot_load(self.name, path, error) from error
        if session.get_providers()[0] != provider:
            raise ConfigError(
                f"ONNX Runtime could not start {provider}", remedy="Check its driver or use the CPU"
            )
        port = session.get_inputs()[0]
        shape = tuple(axis if isinstance(axis, int) else None for axis in port.shape)
        self._fixed = check_input(path, _DTYPES.get(port.type, port.type), shape, bundle.image_size)
        names = {name: bundle.graph_name(name) for name in OUTPUTS}
        check_names(path, names, [output.name for output in session.get_outputs()])
        self.bank = BankFeed.of_bundle(bundle)
        self._session: Any = session
        self._input = port.name
        self._outputs = list(names.values())
        device_name = provider.removesuffix("ExecutionProvider").upper()
        self.label = f"onnxruntime {read_version(ort)} {device_name}"

    def infer(self, images: np.ndarray) -> Outputs:
        return in_batches_of(self._fixed, images, self._run_batch)

    def _run_batch(self, images: np.ndarray) -> Outputs:
        feeds = {self._input: images}
        if self.bank is not None:
            feeds[self.bank.name] = self.bank.values
        results = self._session.run(self._outputs, feeds)
        outputs = dict(zip(OUTPUTS, results, strict=True))
        return outputs if self.bank is None else self.bank.cut(outputs)


def _choose_provider(device: str, there: list[str]) -> str:
    """`cuda` -> `CUDAExecutionProvider`, if it is there.

    ONNX Runtime itself would quietly take the CPU instead.
    """
    known = {name.removesuffix("ExecutionProvider").lower(): name for name in there}
    known.pop("azure", None)  # sends images to a remote service
    if device.lower() not in known:
        raise ConfigError(
            f"ONNX Runtime has no device '{device}' here", remedy=f"Available: {', '.join(known)}"
        )
    return known[device.lower()]
