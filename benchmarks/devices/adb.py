"""An Android device behind `adb`, timed by LiteRT's own `benchmark_model`, which the user supplies.

Its options and what it prints: https://ai.google.dev/edge/litert/models/measurement
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.devices.base import Device, Timing
from gazeclip.bundle.bundle import Bundle
from gazeclip.console.progress import say
from gazeclip.console.text import take_last_line
from gazeclip.errors import ConfigError, StageError

PLACE = "/data/local/tmp/gazeclip-benchmark"
SECONDS = 600  # of one call of adb; a device that went away never answers
WARM_UP_RUNS = 10
RUNS = 100
# A line of numbers, `count=50 first=3 curr=2 min=2 max=3 avg=2.5 std=0.1 median=2`, after the
# warm-up and again after the runs that count; the last one is that.
_COUNTED = re.compile(r"\bcount=\d+ .*$", re.MULTILINE)
_PAIR = re.compile(r"(\w+)=([-+.0-9e]+)")
_INIT = re.compile(r"Inference timings in us: Init: ([-+.0-9e]+)")
_MEMORY = re.compile(r"[Mm]emory footprint[^\n]*\(MB\):[^\n]*\boverall=([-+.0-9e]+)")


class AdbDevice(Device):
    """One device.

    Args:
        serial: of several that are connected, as `adb devices` lists them; None: the only one.
        tool: `benchmark_model` for that device's processor.

    Raises:
        ConfigError: no adb, or no such tool.
        StageError: adb does not reach the device.
    """

    def __init__(self, serial: str | None, tool: Path) -> None:
        adb = shutil.which("adb")
        if adb is None:
            raise ConfigError("adb is not installed", remedy="Install Android's platform-tools")
        if not tool.is_file():
            raise ConfigError(
                f"there is no file {tool}",
                remedy="Name LiteRT's benchmark_model for Android: --benchmark-model FILE",
            )
        self._command = [adb, *(["-s", serial] if serial is not None else [])]
        state = self._call("get-state").strip()
        if state != "device":
            raise StageError(f"the device is '{state}'", remedy="Allow debugging on its screen")
        self.label = f"{self._call('shell', 'getprop', 'ro.product.model').strip()} by adb"
        self._call("shell", "mkdir", "-p", PLACE)
        self._call("push", str(tool), f"{PLACE}/benchmark_model")
        self._call("shell", "chmod", "755", f"{PLACE}/benchmark_model")

    def __exit__(self, *args: object) -> None:
        """Nothing of it stays on the device; where that fails, it is told and no more."""
        try:
            self._call("shell", "rm", "-r", PLACE)
        except StageError as error:
            say(f"warning: {PLACE} may still be on the device: {error}")

    def time_bundle(self, bundle: Bundle, threads: int) -> Timing:
        """A TFLite file; those of other targets say in their state that they do not run there."""
        if bundle.target != "tflite":
            return Timing(f"not run: benchmark_model runs TFLite files, not {bundle.target}")
        self._call("push", str(bundle.model_path), f"{PLACE}/model.tflite")
        options = [
            f"--graph={PLACE}/model.tflite",
            f"--num_threads={threads}",
            f"--warmup_runs={WARM_UP_RUNS}",
            f"--num_runs={RUNS}",
        ]
        done = self._run("shell", f"{PLACE}/benchmark_model", *options)
        said = done.stdout + done.stderr
        if done.returncode != 0:
            return Timing(f"benchmark_model failed: {take_last_line(said)}")
        return read_timing(said, threads)

    def _call(self, *arguments: str) -> str:
        """What adb answers.

        Raises:
            StageError: it failed, with its own words.
        """
        done = self._run(*arguments)
        if done.returncode != 0:
            reason = take_last_line(done.stderr or done.stdout)
            raise StageError(
                f"adb {arguments[0]} failed: {reason}", remedy="Look at what `adb devices` lists"
            )
        return done.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [*self._command, *arguments],
                capture_output=True,
                text=True,
                errors="backslashreplace",
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            what = f"adb {arguments[0]} did not answer within {SECONDS} s"
            raise StageError(what, remedy="Connect the device again") from error
        except OSError as error:
            what = f"{self._command[0]} cannot be started: {error.strerror}"
            raise StageError(what, remedy="Install Android's platform-tools") from error


def read_timing(said: str, threads: int) -> Timing:
    """What `benchmark_model` printed; older ones tell no median."""
    lines: Sequence[str] = _COUNTED.findall(said)
    if not lines:
        return Timing(f"benchmark_model told no times: {take_last_line(said)}")
    numbers = {key: float(value) for key, value in _PAIR.findall(lines[-1])}

    def take_ms(key: str) -> float | None:
        return numbers[key] / 1e3 if key in numbers else None

    init = _INIT.search(said)
    memory = _MEMORY.search(said)
    return Timing(
        threads=threads,
        calls=int(numbers["count"]),
        p50_ms=take_ms("median"),
        mean_ms=take_ms("avg"),
        min_ms=take_ms("min"),
        init_ms=float(init.group(1)) / 1e3 if init else None,
        peak_mb=float(memory.group(1)) if memory else None,
    )
