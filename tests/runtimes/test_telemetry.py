"""Nothing sends telemetry: no engine writes under a fresh home, and none looks a name up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gazeclip.system.privacy import SWITCHES, switch_telemetry_off

ROOT = Path(__file__).parents[2]
STRACE = shutil.which("strace")
# of the resolver, and of every family that leaves the machine
REACHES_OUT = ("resolv.conf", "AF_INET", "nscd")


def run_in_fresh_home(home: Path, *command: str) -> str:
    """Run Python with an empty home and no switch set.

    Returns its system calls where strace is installed.
    """
    home.mkdir()
    trace = home.parent / f"{home.name}.trace"
    hidden = (
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "TORCH_EXTENSIONS_DIR",
        *SWITCHES,
    )
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    calls = "trace=connect,sendto,sendmsg,sendmmsg,openat"
    traced = [STRACE, "-f", "-qq", "-o", str(trace), "-e", calls] if STRACE is not None else []
    done = subprocess.run(
        [*traced, sys.executable, *command],
        cwd=home.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if traced and "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    return trace.read_text(errors="replace") if traced else ""


def lines_that_reach_out(trace: str) -> list[str]:
    return [line for line in trace.splitlines() if any(sign in line for sign in REACHES_OUT)]


@pytest.mark.parametrize("target", ["openvino", "onnx", "tflite"])
def test_verification_leaves_and_sends_nothing(
    target: str, bundles: dict[str, Path], photos: dict[str, Path], tmp_path: Path
) -> None:
    command = ("-m", "runtimes", "verify", str(photos["real"]), "--bundle", str(bundles[target]))
    trace = run_in_fresh_home(tmp_path / "home", *command)
    assert [str(path) for path in (tmp_path / "home").rglob("*")] == []
    assert lines_that_reach_out(trace) == []


@pytest.mark.parametrize(
    "module",
    [
        "openvino",
        "onnxruntime",
        "ai_edge_litert.interpreter",
        "tflite_runtime.interpreter",
        "huggingface_hub",
    ],
)
def test_an_import_leaves_and_sends_nothing(module: str, tmp_path: Path) -> None:
    pytest.importorskip(module.partition(".")[0])
    trace = run_in_fresh_home(
        tmp_path / "home",
        "-c",
        f"from gazeclip.system.packages import require; require({module!r}, 'all')",
    )
    assert [str(path) for path in (tmp_path / "home").rglob("*")] == []
    assert lines_that_reach_out(trace) == []


@pytest.mark.slow
@pytest.mark.parametrize("module", ["coremltools", "nncf", "litert_torch"])
def test_a_converter_leaves_and_sends_nothing(module: str, tmp_path: Path) -> None:
    pytest.importorskip(module)
    trace = run_in_fresh_home(
        tmp_path / "home",
        "-c",
        f"from gazeclip.system.packages import require; require({module!r}, 'all')",
    )
    assert [str(path) for path in (tmp_path / "home").rglob("*")] == []
    assert lines_that_reach_out(trace) == []


def test_a_reporter_that_was_imported_before_is_disarmed(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    class Telemetry:
        def send_event(self, text: str) -> None:
            sent.append(text)

    reporter = type(sys)("openvino_telemetry")
    reporter.Telemetry = Telemetry  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "openvino_telemetry", reporter)
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    switch_telemetry_off()
    Telemetry().send_event("x")
    assert sent == [] and os.environ["ORT_DISABLE_TELEMETRY"] == "1"
