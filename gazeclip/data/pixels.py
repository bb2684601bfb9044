"""Images of a split as one array: decoded by all threads, and beyond some size kept in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gazeclip.files.arrays import open_scratch
from gazeclip.images.preprocess import PixelContract
from gazeclip.system.pool import map_in_threads

IN_MEMORY = 1 << 30  # bytes; 7,000 images of 224 pixels


def read_images(paths: Sequence[Path], contract: PixelContract, scratch: Path) -> np.ndarray:
    """Images as models take them: uint8 `(N, S, S, 3)`, in the order of the paths.

    Args:
        scratch: a folder for the file that holds more than `IN_MEMORY`; it goes with the array.

    Raises:
        ImageError: the first that cannot be read.
        ArtifactError: there is no room in `scratch`.
    """
    shape = (len(paths), contract.size, contract.size, 3)
    kind = np.dtype(np.uint8)
    images: np.ndarray
    if np.prod(shape) > IN_MEMORY:
        images = open_scratch(scratch, shape, kind, "decoded images")
    else:
        images = np.empty(shape, kind)

    def fill(place: int) -> None:
        images[place] = contract.apply(paths[place])

    for _ in map_in_threads(fill, range(len(paths))):
        pass
    return images
