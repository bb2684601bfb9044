"""The report's bundles on the device that was named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.devices.adb import AdbDevice
from benchmarks.devices.base import Device
from benchmarks.devices.coreml import CoreMlDevice
from gazeclip.bundle.bundle import Bundle
from gazeclip.console.progress import progress_callback
from gazeclip.errors import ConfigError
from gazeclip.recipe.stages import ReportStage

KINDS = ("adb", "coreml")


def open_device(stage: ReportStage) -> Device | None:
    """`adb[:SERIAL]` or `coreml[:UNITS]`; None where none is named.

    Raises:
        ConfigError: another name, or no tool for it.
    """
    if stage.device is None:
        return None
    kind, _, which = stage.device.partition(":")
    if kind not in KINDS:
        raise ConfigError(
            f"there is no device '{stage.device}'",
            remedy="Use adb, adb:SERIAL, coreml or coreml:UNITS",
        )
    if kind == "coreml":
        return CoreMlDevice(which or None, stage.latency_seconds)
    if stage.benchmark_model is None:
        raise ConfigError(
            "adb needs LiteRT's benchmark_model for the device's processor",
            remedy="Name it: --benchmark-model FILE",
        )
    return AdbDevice(which or None, Path(stage.benchmark_model))


def measure_device(folders: Sequence[Path], stage: ReportStage) -> dict[str, Any] | None:
    """`device` of report.json; None where none is named."""
    device = open_device(stage)
    if device is None:
        return None
    threads = stage.threads or 1
    rows = []
    with device, progress_callback(device.label) as update:
        for number, folder in enumerate(folders):
            update(number, len(folders))
            bundle = Bundle.load(folder)
            timing = device.time_bundle(bundle, threads)
            names = {"name": _name_bundle(folder, folders), "precision": bundle.precision}
            rows.append({**names, **timing.to_dict()})
    return {"label": device.label, "rows": rows}


def _name_bundle(folder: Path, folders: Sequence[Path]) -> str:
    """By its last name where that tells it from the others."""
    names = [one.name for one in folders]
    return folder.name if names.count(folder.name) == 1 else str(folder)
