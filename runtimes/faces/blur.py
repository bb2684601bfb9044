"""Whether a crop is so blurred that nothing of how it was made can be left in it."""

from __future__ import annotations

import numpy as np
from PIL import Image

# The crop is looked at in this size, or in its own if that is smaller: enlarging is no blur.
LOOK_SIZE = 96
# A Gaussian blur of 3 pixels in a crop of 224 lies below, sharp crops lie several times above.
MIN_SHARPNESS = 0.03
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def is_blurred(crop: Image.Image) -> bool:
    """Whether an RGB crop is blurred; motion in one direction is seldom noticed."""
    return measure_sharpness(crop) < MIN_SHARPNESS


def measure_sharpness(crop: Image.Image) -> float:
    """Variance of the Laplacian by the variance of the brightness; 0 where there is none.

    The first is an old measure of focus (Pech-Pacheco and others, 2000); the second makes it the
    same for pale and for strong contrast.
    """
    side = min(LOOK_SIZE, *crop.size)
    small = crop.resize((side, side), Image.Resampling.BICUBIC)
    grey = np.asarray(small, np.float32) @ _LUMA  # (side, side)
    spread = float(grey.var())
    if spread == 0 or side < 3:
        return 0.0
    sides = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((sides - 4 * grey[1:-1, 1:-1]).var()) / spread
