"""Core ML on the units of a Mac: through the same engine as `verify`."""

from __future__ import annotations

from functools import partial

from benchmarks.devices.base import Device, Timing
from benchmarks.measure.latency import LatencyConfig, measure_latency
from gazeclip.bundle.bundle import Bundle
from gazeclip.errors import ConfigError, StageError
from runtimes.engines.registry import ENGINES

TARGET = "coreml"


class CoreMlDevice(Device):
    """The units `all`, `cpu`, `gpu` or `ane`; None: `all`, whatever a bundle was exported for.

    Raises:
        ConfigError: this is no Mac, or coremltools is missing.
    """

    def __init__(self, units: str | None, seconds: float) -> None:
        reason = ENGINES[TARGET].load().available()
        if reason is not None:
            raise ConfigError(f"no Core ML here: {reason}", remedy="Run it on a Mac")
        self._units = units or "all"
        self._seconds = seconds
        self.label = f"Core ML, units {self._units}"

    def time_bundle(self, bundle: Bundle, threads: int) -> Timing:
        """A Core ML package; it schedules its own threads."""
        if bundle.target != TARGET:
            return Timing(f"not run: Core ML runs packages, not {bundle.target}")
        engine = ENGINES[TARGET].load()(bundle, threads, self._units)
        call = partial(engine.infer, bundle.golden[0][:1])
        config = LatencyConfig(budget_s=self._seconds)
        try:
            stats = measure_latency({"bundle": call}, config)["bundle"]
        except StageError as error:  # of this file: the units are still there
            return Timing(f"not measured: {error.message}")
        return Timing(calls=stats.calls, p50_ms=stats.p50, min_ms=stats.min)
