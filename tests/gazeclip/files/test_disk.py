"""A full or read-only disk: one line, the old result whole, and looks that write nothing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gazeclip.commands.pipeline import prepare_run
from gazeclip.errors import ArtifactError
from gazeclip.files import disk
from gazeclip.recipe.load import load_recipe
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "recipe.yaml").write_text("name: x\n")
    return Run(tmp_path)


def good(folder: Path) -> dict[str, Any]:
    (folder / "model.bin").write_bytes(b"old")
    return {}


def go(run: Run, body: Any, config: int = 1) -> bool:
    return execute(run, "export/onnx", config=config, inputs={}, body=body)


def raising(error: Exception) -> Any:
    def body(folder: Path) -> dict[str, Any]:
        (folder / "model.bin").write_bytes(b"half")
        raise error

    return body


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EACCES]
)
def test_what_the_system_refuses_is_one_line_and_the_old_result_stays(
    run: Run, number: int
) -> None:
    go(run, good)
    said = os.strerror(number)
    with pytest.raises(ArtifactError, match=rf"cannot write .*\.onnx\.partial: {said}. Free space"):
        go(run, raising(OSError(number, said)), config=2)
    assert (run.folder("export/onnx") / "model.bin").read_bytes() == b"old"
    assert not go(run, good)


@pytest.mark.parametrize(
    "error", [RuntimeError("basic_ios::clear:\niostream error"), ValueError("truncated")]
)
def test_what_a_library_makes_of_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(disk, "write_refusal", lambda folder: "No space left on device")
    with pytest.raises(ArtifactError) as caught:
        go(run, raising(error))
    assert "cannot write" in str(caught.value) and "No space left on device" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not run.is_done("export/onnx")


def test_other_faults_pass_as_they_are(run: Run) -> None:
    with pytest.raises(RuntimeError, match="a real one"):
        go(run, raising(RuntimeError("a real one")))
    unreadable = PermissionError(errno.EACCES, "Permission denied", "/elsewhere/photo.jpg")
    with pytest.raises(ArtifactError, match=r"cannot use /elsewhere/photo\.jpg: Permission denied"):
        go(run, raising(unreadable))


LIMITED = """
import resource, sys
from pathlib import Path
from gazeclip.cli.guard import guard
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run

def body(folder):
    with open(folder / "model.bin", "wb", buffering=0) as file:
        if file.write(bytes(8 << 20)) < 8 << 20:
            raise RuntimeError("basic_ios::clear: iostream error")
    return {}

def main(argv):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    execute(Run(Path(argv[0])), "export/onnx", config=2, inputs={}, body=body)
    return 0

guard(main)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_limit_on_file_sizes_that_a_library_runs_into(run: Run) -> None:
    go(run, good)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(run.root)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert (
        "error: cannot write" in done.stderr
        and "File too large (RuntimeError: basic_ios::clear" in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert (run.folder("export/onnx") / "model.bin").read_bytes() == b"old"


@pytest.fixture
def read_only(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Someone else's run, up to date. No permission stops root, so the calls refuse themselves."""
    prepare_run(load_recipe(run.root / "recipe.yaml"), run.root)
    go(run, good)

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    access = os.access
    monkeypatch.setattr(
        "os.access", lambda path, mode, **more: mode != os.W_OK and access(path, mode, **more)
    )
    for name in (
        "os.utime",
        "os.mkdir",
        "os.rename",
        "os.replace",
        "os.unlink",
        "tempfile.mkstemp",
    ):
        monkeypatch.setattr(name, refuse)
    yield run
    monkeypatch.undo()


def test_a_look_at_someone_elses_run_needs_no_write(read_only: Run) -> None:
    prepare_run(load_recipe(read_only.root / "recipe.yaml"), read_only.root)
    assert not go(read_only, good)


def test_what_must_write_there_says_so(read_only: Run) -> None:
    with pytest.raises(ArtifactError, match=r"cannot write .*Permission denied"):
        go(read_only, good, config=2)
    recipe = load_recipe(read_only.root / "recipe.yaml", ["seed=7"])
    with pytest.raises(ArtifactError, match=r"cannot write .*Permission denied"):
        prepare_run(recipe, read_only.root)


def find_no_temporary_folder() -> str:
    """What `tempfile.gettempdir` does where none of the usual folders can be written."""
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")


def test_a_full_disk_is_told_before_a_temporary_folder_is_looked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk.tempfile, "gettempdir", find_no_temporary_folder)
    monkeypatch.setattr(disk, "write_refusal", lambda folder: "No space left on device")
    with pytest.raises(ArtifactError, match=r"cannot write .*\.onnx\.partial: No space left"):
        go(run, raising(RuntimeError("basic_ios::clear")))


def test_no_temporary_folder_at_all_is_told_with_what_the_library_made_of_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk.tempfile, "gettempdir", find_no_temporary_folder)
    monkeypatch.setattr(disk, "write_refusal", lambda folder: None)
    said = r"cannot write a temporary folder: No usable temporary directory .* \(RuntimeError: ios"
    with pytest.raises(ArtifactError, match=said):
        go(run, raising(RuntimeError("ios")))
