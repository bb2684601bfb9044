"""The square that is cut around a face, as near as may be to how training images were cut."""

from __future__ import annotations

import math
from typing import NamedTuple

from runtimes.faces.box import FaceBox

# Side of the square by the root of the box's area, and by how much of the side it is moved up.
# Nothing in a bundle says yet how its training images were cut.
SIDE_FACTOR = 1.45
LIFT = 0.043


class Crop(NamedTuple):
    """Whole pixels of the upright picture: `x0, y0` inside, `x1, y1` just outside."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def side(self) -> int:
        """Pixels."""
        return self.x1 - self.x0


def cut_square(face: FaceBox, width: int, height: int) -> Crop:
    """The square around a face in a picture of `width` x `height` pixels.

    Where it would reach beyond the picture it is moved inside, and made smaller only if it does not
    fit at all: no pixel is invented, and no face is squeezed. Whole pixels, so that every language
    cuts the same ones.
    """
    wished = SIDE_FACTOR * math.sqrt(max(face.width, 0.0) * max(face.height, 0.0))
    side = min(max(1, round_half_up(wished)), width, height)
    middle_x = (face.box[0] + face.box[2]) / 2
    middle_y = (face.box[1] + face.box[3]) / 2 - LIFT * wished
    x0 = min(max(0, round_half_up(middle_x - side / 2)), width - side)
    y0 = min(max(0, round_half_up(middle_y - side / 2)), height - side)
    return Crop(x0, y0, x0 + side, y0 + side)


def round_half_up(value: float) -> int:
    """To the next whole number; Python's `round` takes halves to the even one."""
    return math.floor(value + 0.5)
