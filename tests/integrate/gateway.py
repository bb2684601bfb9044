"""Ways to run the gateway's listing, and to change what it is given."""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gazeclip.bundle.check import seal

Done = subprocess.CompletedProcess[str]
Change = Callable[[dict[str, Any]], Any]  # of bundle.json, in place


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


def rewrite(folder: Path, change: Change) -> None:
    """Change bundle.json and seal it anew, as somebody can who has no key."""
    path = folder / "bundle.json"
    meta = json.loads(path.read_text())
    change(meta)
    path.write_text(json.dumps(meta | {"digest": seal(meta)}))
