"""A killed build blocks nobody, and a running one is not disturbed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from quantize import build_lock

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from quantize.build_lock import enter_build_folder
enter_build_folder(Path(sys.argv[1]))
print("inside", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of builds with torch's lock in it."""
    build = tmp_path / "nncf" / "quantized_functions_cpu"
    build.mkdir(parents=True)
    (build / build_lock.BUILD_LOCK).touch()
    (build / "build.ninja").touch()
    return tmp_path


def test_what_a_killed_build_left_is_removed(folder: Path) -> None:
    build_lock.enter_build_folder(folder)
    assert build_lock.find_build_locks(folder) == []
    assert (folder / "nncf" / "quantized_functions_cpu" / "build.ninja").is_file()


def test_a_process_that_uses_the_folder_keeps_its_lock(folder: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == "inside\n"
        (folder / build_lock.BUILD_LOCK).touch()  # as if the other one had begun to build
        build_lock.enter_build_folder(folder)
        assert build_lock.find_build_locks(folder) == [folder / build_lock.BUILD_LOCK]
        other.stdin.close()
