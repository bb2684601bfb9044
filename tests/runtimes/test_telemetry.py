"""Nothing sends telemetry: no engine writes under a fresh home, and none looks a name up."""

from __future__ import annotations

import importlib.util
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


class NotTracedError(Exception):
    """The system lets no process be traced."""


def run_in_fresh_home(home: Path, *command: str) -> None:
    """Run Python with an empty home and no switch set."""
    home.mkdir(exist_ok=True)
    hidden = (
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "TORCH_EXTENSIONS_DIR",
        *SWITCHES,
    )
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    # Where no variable names the user, torch asks the system, which may ask its nscd: no host, but
    # indistinguishable in a trace from looking up one.
    environment |= {"HOME": str(home), "USER": "somebody"}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        cwd=home.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        raise NotTracedError
    assert done.returncode == 0, done.stderr


def check_that_nothing_is_left_or_sent(folder: Path, *command: str) -> None:
    """The home of a Python process stays empty; it looks up no name and opens no connection.

    Skips where the second cannot be seen, after the first was.
    """
    home = folder / "home"
    trace = folder / "trace"
    calls = "trace=connect,sendto,sendmsg,sendmmsg,openat"
    unseen = None
    try:
        if STRACE is None:
            raise NotTracedError
        traced = (STRACE, "-f", "-qq", "-o", str(trace), "-e", calls, sys.executable)
        run_in_fresh_home(home, *traced, *command)
    except NotTracedError:
        unseen = "may not trace here" if STRACE else "is not installed"
        run_in_fresh_home(home, sys.executable, *command)
    assert [str(path) for path in home.rglob("*")] == []
    if unseen is not None:
        pytest.skip(f"strace {unseen}, so that no system call can be seen")
    assert lines_that_reach_out(trace.read_text(errors="replace")) == []


def lines_that_reach_out(trace: str) -> list[str]:
    return [line for line in trace.splitlines() if any(sign in line for sign in REACHES_OUT)]


def test_without_strace_the_look_at_system_calls_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "STRACE", None)
    with pytest.raises(pytest.skip.Exception, match="strace is not installed"):
        check_that_nothing_is_left_or_sent(tmp_path, "-c", "pass")
    leave = "from pathlib import Path; (Path.home() / 'used').touch()"
    with pytest.raises(AssertionError, match="used"):
        check_that_nothing_is_left_or_sent(tmp_path, "-c", leave)


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_a_look_up_is_seen(tmp_path: Path) -> None:
    code = (
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))"
    )
    with pytest.raises(AssertionError, match="AF_INET"):
        check_that_nothing_is_left_or_sent(tmp_path, "-c", code)


@pytest.mark.parametrize("target", ["openvino", "onnx", "tflite"])
def test_verification_leaves_and_sends_nothing(
    target: str, bundles: dict[str, Path], photos: dict[str, Path], tmp_path: Path
) -> None:
    command = ("verify", str(photos["real"]), "--bundle", str(bundles[target]))
    check_that_nothing_is_left_or_sent(tmp_path, "-m", "runtimes", *command)


# Whatever engine reads a bundle is imported above; together, as one process costs a second.
@pytest.mark.parametrize(
    "modules",
    [
        ("onnxruntime", "ai_edge_litert.interpreter", "tflite_runtime.interpreter"),
        ("openvino", "c2pa", "huggingface_hub", "fastapi", "uvicorn", "prometheus_client"),
        pytest.param(("coremltools",), marks=pytest.mark.slow),
        pytest.param(("nncf",), marks=pytest.mark.slow),
        pytest.param(("litert_torch",), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_imports_leave_and_send_nothing(modules: tuple[str, ...], tmp_path: Path) -> None:
    there = [name for name in modules if importlib.util.find_spec(name.partition(".")[0])]
    if not there:
        pytest.skip(f"none of {', '.join(modules)} is installed")
    lines = ["from gazeclip.system.packages import require"]
    lines += [f"require({name!r}, 'all')" for name in there]
    check_that_nothing_is_left_or_sent(tmp_path, "-c", "; ".join(lines))


REPORTER = """
import openvino_telemetry
from openvino_telemetry.main import OptInStatus
from gazeclip.system.privacy import switch_telemetry_off
switch_telemetry_off()
telemetry = openvino_telemetry.Telemetry("a", "1", "UA-1", enable_opt_in_dialog=False)
telemetry.init("a", "1", "UA-1", enable_opt_in_dialog=False)
telemetry.start_session("a")
telemetry.send_event("a", "b", "c", force_send=True)
telemetry.send_opt_in_event(OptInStatus.DECLINED, force_send=True)
telemetry.end_session("a")
telemetry.force_shutdown()
"""


def is_reporter_installed() -> bool:
    """By its files: in this process the switch has marked it as not importable."""
    places = [Path(place, "openvino_telemetry", "main.py") for place in sys.path]
    return any(place.is_file() for place in places)


@pytest.mark.skipif(not is_reporter_installed(), reason="openvino-telemetry is not installed")
def test_the_real_reporter_is_disarmed(tmp_path: Path) -> None:
    check_that_nothing_is_left_or_sent(tmp_path, "-c", REPORTER)


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
