"""Locks that killed builds of NNCF's extension left behind.

torch guards a build by a file `lock` in its folder, and whoever comes next waits until the file is
gone: for ever, if the process that made it was killed. The system's own locks end with their
process. So each process that uses a folder of builds holds one, shared; a process that can have it
alone knows that nobody is building there, and that what lies there is left over.
"""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

IN_USE = ".in_use"
BUILD_LOCK = "lock"  # as torch.utils.cpp_extension names it
_held: dict[Path, TextIO] = {}  # open for as long as this process lives


def enter_build_folder(folder: Path) -> None:
    """Share the folder with others, after removing the locks of builds that nobody finishes."""
    if fcntl is None or folder in _held:
        return
    handle = (folder / IN_USE).open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # others are at work, and one of them may be building
        pass
    else:
        for left_over in find_build_locks(folder):
            left_over.unlink(missing_ok=True)
    fcntl.flock(handle, fcntl.LOCK_SH)
    _held[folder] = handle


def find_build_locks(folder: Path) -> list[Path]:
    """Locks of builds that are running, or were killed."""
    return sorted(path for path in folder.rglob(BUILD_LOCK) if path.is_file())
