"""Ways to run the gateway's listing."""

from __future__ import annotations

import contextlib
import io
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]


def start(gateway: Path, bundle: Path, *arguments: str | Path) -> Done:
    """The gateway in a process of its own, as it is meant to be run."""
    command = [sys.executable, "-I", str(gateway), str(bundle), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def run(gateway: Path, bundle: Path, *arguments: str | Path) -> Done:
    """The same in this process, where the libraries are imported already."""
    command = [str(gateway), str(bundle), *map(str, arguments)]
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
        pytest.raises(SystemExit) as ended,
    ):
        patch.setattr(sys, "argv", command)
        runpy.run_path(str(gateway), run_name="__main__")
    assert isinstance(ended.value.code, int)
    return Done(command, ended.value.code, out.getvalue(), err.getvalue())


def check_refusal(done: Done, words: str) -> None:
    """A bundle that is refused costs one line and its own exit code, whatever it is."""
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
    assert words in done.stderr
