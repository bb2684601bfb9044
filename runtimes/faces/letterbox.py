"""Any picture in the square that the detector takes, and the way back to the picture's pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from gazeclip.images.scale import scale_in_order


class Letterbox(NamedTuple):
    """A picture in the middle of a black square.

    Attributes:
        pixels: uint8 RGB `(1, S, S, 3)`.
        scale: square pixels for one of the picture, in x and y; they differ by rounding only.
        offset: where the picture's left upper corner lies in the square.
    """

    pixels: np.ndarray
    scale: tuple[float, float]
    offset: tuple[int, int]

    def find_in_picture(self, places: np.ndarray) -> np.ndarray:
        """Places `(..., 2)` of the square as places of the picture."""
        return (places - np.array(self.offset)) / np.array(self.scale)


def fit_into_square(picture: Image.Image, size: int, margin: int = 0) -> Letterbox:
    """An RGB picture, its longer side as long as the square less a margin on each side.

    Small pictures are enlarged.
    """
    factor = (size - 2 * margin) / max(picture.size)
    width = max(1, round(picture.width * factor))
    height = max(1, round(picture.height * factor))
    offset = ((size - width) // 2, (size - height) // 2)
    square = Image.new("RGB", (size, size))
    square.paste(scale_in_order(picture, (width, height), Image.Resampling.BILINEAR), offset)
    scale = (width / picture.width, height / picture.height)
    return Letterbox(np.asarray(square)[None], scale, offset)
