"""One process (or one group of ranks) works on a run folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gazeclip.errors import ArtifactError, StageError
from gazeclip.run.folder import Run
from gazeclip.system import ranks

_locks: dict[Path, int] = {}  # of this process: folder -> descriptor


def _drop_locks() -> None:
    """Let a forked worker drop its parent's locks.

    It shares them, and would keep them after the parent has let go or was killed.
    """
    for handle in _locks.values():
        os.close(handle)
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_locks)


@contextlib.contextmanager
def lock_run(run: Run) -> Iterator[None]:
    """Hold a run folder for one process, or one group of ranks; may be nested.

    A command holds it from before it changes the recipe to the end of its last stage. The system
    drops it with the process. A folder that may only be read needs none: nothing in it can be
    changed by this process.

    Raises:
        StageError: another process holds it.
        ArtifactError: the folder cannot be made.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        fcntl = None  # type: ignore[assignment]
    root = run.root.absolute()
    read_only = root.is_dir() and not os.access(root, os.W_OK)
    if fcntl is None or not ranks.is_main() or root in _locks or read_only:
        yield
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root, os.O_RDONLY)
    except OSError as error:
        raise ArtifactError(
            f"cannot write {run.root}: {error.strerror}", remedy="Choose another folder with --run"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            raise StageError(
                f"another process is working on {run.root}",
                remedy="Wait for it, or use another run folder",
            ) from error
        raise ArtifactError(
            f"cannot lock {run.root}: {error.strerror}", remedy="Use a file system that has locks"
        ) from error
    _locks[root] = handle
    try:
        yield
    finally:
        # A forked child has closed it already.
        if _locks.pop(root, None) is not None:
            os.close(handle)
