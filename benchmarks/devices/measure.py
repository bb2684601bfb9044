"""The report's bundles on the device that was named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.devices.adb import AdbDevice
from benchmarks.devices.base import Device, Timing
from benchmarks.devices.coreml import CoreMlDevice
from gazeclip.bundle.bundle import Bundle
from gazeclip.console.progress import progress_callback, say
from gazeclip.errors import ConfigError, GazeClipError, StageError
from gazeclip.recipe.stages import ReportStage

KINDS = ("adb", "coreml")


def open_device(stage: ReportStage) -> Device | None:
    """`adb[:SERIAL]` or `coreml[:UNITS]`; None where none is named.

    Raises:
        ConfigError: another name, or no tool for it.
        StageError: the device is not reached.
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


def check_device(stage: ReportStage) -> None:
    """Reach the device once, before anything is measured that its absence would throw away.

    Raises:
        ConfigError, StageError: as `open_device` has it.
    """
    device = open_device(stage)
    if device is not None:
        with device:
            say(f"report: reached {device.label}")


def measure_device(folders: Sequence[Path], stage: ReportStage) -> dict[str, Any] | None:
    """`device` of report.json; None where none is named.

    A device that is gone by now is told in the state of each bundle: the rest of the report is
    finished.
    """
    bundles = [Bundle.load(folder) for folder in folders]
    label = str(stage.device)
    try:
        device = open_device(stage)
        if device is None:
            return None
        label = device.label
        with device:
            timings = _time_bundles(device, bundles, stage.threads or 1)
    except GazeClipError as error:
        timings = [Timing(f"not measured: {error.message}")] * len(bundles)
        say(f"warning: {label}: {error}")
    rows = []
    for folder, bundle, timing in zip(folders, bundles, timings, strict=True):
        names = {"name": _name_bundle(folder, folders), "precision": bundle.precision}
        rows.append({**names, **timing.to_dict()})
    return {"label": label, "rows": rows}


def _time_bundles(device: Device, bundles: Sequence[Bundle], threads: int) -> list[Timing]:
    """What fails is a state. A device that is gone is not asked again: each call may wait long."""
    timings: list[Timing] = []
    gone = False
    with progress_callback(device.label) as update:
        for number, bundle in enumerate(bundles):
            update(number, len(bundles))
            if gone:
                timings.append(Timing("not tried: the device failed before"))
                continue
            try:
                timings.append(device.time_bundle(bundle, threads))
            except Exception as error:  # engines have no common one
                gone = isinstance(error, StageError)
                reason = _find_reason(error)
                timings.append(Timing(f"not measured: {reason}"))
                say(f"warning: {device.label}: {bundle.folder.name}: {reason}")
    return timings


def _find_reason(error: Exception) -> str:
    """In one line, without a remedy."""
    text = error.message if isinstance(error, GazeClipError) else str(error)
    return next(iter(text.splitlines()), type(error).__name__)


def _name_bundle(folder: Path, folders: Sequence[Path]) -> str:
    """By its last name where that tells it from the others."""
    names = [one.name for one in folders]
    return folder.name if names.count(folder.name) == 1 else str(folder)
