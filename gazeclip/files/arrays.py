"""Arrays in files: there at their full size, with room on the disk, or not at all.

```python
tokens = open_array(folder / "tokens.npy", (1000, 49, 256), np.dtype("float16"), "gaze features")
tokens[10:20] = values
```
"""

from __future__ import annotations

import math
import os
from pathlib import Path

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
    size_mb = math.prod(shape) * dtype.itemsize / 1e6
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = np.lib.format.open_memmap(made, mode="w+", dtype=dtype, shape=shape)
        # Take the room now: a sparse file that the disk cannot hold ends the process with a bus
        # error in the middle of writing.
        if hasattr(os, "posix_fallocate"):
            with made.open("rb+") as stream:
                os.posix_fallocate(stream.fileno(), 0, made.stat().st_size)
        made.replace(path)
    except OSError as error:
        made.unlink(missing_ok=True)
        raise ArtifactError(
            f"no room for {size_mb:.0f} MB of {what} in {path.parent} ({error.strerror})", remedy
        ) from error
    return file
