"""Arrays in files: at their full size, with room on the disk, or not at all.

```python
tokens = open_array(folder / "tokens.npy", (1000, 49, 256), np.dtype("float16"), "gaze features")
tokens[10:20] = values
```
"""

from __future__ import annotations

import errno
import math
import os
import tempfile
from pathlib import Path
from typing import IO

import numpy as np

from gazeclip.errors import ArtifactError


def open_array(
    path: Path, shape: tuple[int, ...], dtype: np.dtype, what: str, remedy: str = "Free space"
) -> np.memmap:
    """The file at `path`, to be read and written; all zeros at its full size if it was not there.

    Args:
        what: its values, as an error names them.

    Raises:
        ArtifactError: there is not enough room.
    """
    if path.is_file():
        return np.lib.format.open_memmap(path, mode="r+")
    made = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = np.lib.format.open_memmap(made, mode="w+", dtype=dtype, shape=shape)
        with made.open("rb+") as stream:
            _take_room(stream, made.stat().st_size)
        made.replace(path)
    except OSError as error:
        made.unlink(missing_ok=True)
        raise _describe_shortage(shape, dtype, what, path.parent, error, remedy) from error
    return file


def open_scratch(shape: tuple[int, ...], dtype: np.dtype, what: str) -> np.memmap:
    """Zeros in a temporary file that has no name and goes with the array.

    Args:
        what: its values, as an error names them.

    Raises:
        ArtifactError: there is not enough room.
    """
    folder = _choose_scratch()
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            _take_room(stream, math.prod(shape) * dtype.itemsize)
            return np.memmap(stream, dtype=dtype, mode="w+", shape=shape)  # type: ignore[call-overload, no-any-return]
    except OSError as error:
        remedy = "Free space, or set TMPDIR to a folder of a larger disk"
        raise _describe_shortage(shape, dtype, what, folder, error, remedy) from error


def _choose_scratch() -> Path:
    """The folder for large files: /tmp may be a part of the memory, and /var/tmp never is."""
    large = Path("/var/tmp")
    if "TMPDIR" not in os.environ and os.access(large, os.W_OK):
        return large
    return Path(tempfile.gettempdir())


def _take_room(stream: IO[bytes], size: int) -> None:
    """Claim all bytes now.

    A sparse file that the disk cannot hold ends the process with a bus error in the middle of
    writing.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(stream.fileno(), 0, size)


def _describe_shortage(
    shape: tuple[int, ...], dtype: np.dtype, what: str, folder: Path, error: OSError, remedy: str
) -> ArtifactError:
    size_mb = math.prod(shape) * dtype.itemsize / 1e6
    short = error.errno in (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", None))
    verb = "no room for" if short else "cannot write"
    message = f"{verb} {size_mb:.0f} MB of {what} in {folder} ({error.strerror})"
    return ArtifactError(message, remedy)
