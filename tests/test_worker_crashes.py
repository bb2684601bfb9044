"""A worker that dies once costs nothing but a line; one that dies of the same test again fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("xdist")
pytestmark = pytest.mark.slow  # each starts three processes of pytest

ROOT = Path(__file__).parents[1]
# Dies of the first test until the file is there; of the second whenever it is told to.
SUITE = """
import os, signal
from pathlib import Path

def test_dies_once():
    if not Path("once").exists():
        Path("once").touch()
        os.kill(os.getpid(), signal.SIGKILL)

def test_may_die_always():
    if "ALWAYS" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def run_suite(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text('pytest_plugins = ["tests.worker_crashes"]\n')
    (folder / "test_it.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-n", "1", "-p", "no:cacheprovider", "-W", "ignore"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_test_whose_process_died_runs_again_and_that_is_told(tmp_path: Path) -> None:
    done = run_suite(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "2 passed, 1 process died" in done.stdout
    assert "process died while running test_it.py::test_dies_once" in done.stdout
    assert "a process of the tests died: by SIGKILL" in done.stdout


def test_a_test_that_kills_its_process_twice_fails(tmp_path: Path) -> None:
    (tmp_path / "once").touch()
    done = run_suite(tmp_path, ALWAYS="yes")
    assert done.returncode == 1, done.stdout
    assert "1 failed, 1 passed, 1 process died" in done.stdout
