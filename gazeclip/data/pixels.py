"""Images of a split as one array: decoded by several threads, kept in a file if they are many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gazeclip.files.arrays import open_scratch
from gazeclip.images.preprocess import PixelContract
from gazeclip.system.pool import map_in_threads
from gazeclip.system.threads import usable_threads

IN_MEMORY = 1 << 30  # bytes; 7,000 images of 224 pixels
_MOST_DECODERS = 4  # each may hold a picture of 120 megapixels while it is scaled


def count_decoders() -> int:
    """Threads that decode photographs beside each other: few, for their memory."""
    return min(usable_threads(), _MOST_DECODERS)


def read_images(paths: Sequence[Path], contract: PixelContract) -> np.ndarray:
    """Images as models take them: uint8 `(N, S, S, 3)`, in the order of the paths.

    More than `IN_MEMORY` are held by a temporary file, which goes with the array.

    Raises:
        ImageError: the first that cannot be read.
        ArtifactError: there is no room for the file.
    """
    shape = (len(paths), contract.size, contract.size, 3)
    kind = np.dtype(np.uint8)
    images: np.ndarray
    if math.prod(shape) > IN_MEMORY:
        images = open_scratch(shape, kind, "decoded images")
    else:
        images = np.empty(shape, kind)

    def fill(place: int) -> None:
        images[place] = contract.apply(paths[place])

    for _ in map_in_threads(fill, range(len(paths)), count_decoders()):
        pass
    return images
