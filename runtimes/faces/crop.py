"""The square that is cut around a face, as near as may be to how training images were cut."""

from __future__ import annotations

import math
from typing import NamedTuple

from gazeclip.images.crop_rule import FACE, CropRule
from gazeclip.images.reduced import Reduced
from runtimes.faces.box import FaceBox

# A picture is a crop already, and is taken as it is, if it is nearly a square and shares this much
# with the square around its face (intersection over union). Of 240 training crops of photographs
# 97% lie above: a picture in which the face is smaller than in nearly all of them lies below.
MIN_SHARED = 0.65
MAX_ASPECT = 1.1


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


def choose_rule(stated: CropRule | None) -> CropRule:
    """What a bundle says of face crops, or where it says nothing of them the usual rule."""
    return stated if stated is not None and stated.kind == FACE else CropRule()


def cut_square(face: FaceBox, width: int, height: int, rule: CropRule) -> Crop:
    """The square around a face in a picture of `width` x `height` pixels.

    Where it would reach beyond the picture it is moved inside, and made smaller only if it does not
    fit at all: no pixel is invented, and no face is squeezed. Whole pixels, so that every language
    cuts the same ones. A picture that is such a crop already is taken as it is, because the model
    has learned from pictures like it.
    """
    wished = rule.side * math.sqrt(max(face.width, 0.0) * max(face.height, 0.0))
    side = min(max(1, round_half_up(wished)), width, height)
    middle_x = (face.box[0] + face.box[2]) / 2
    middle_y = (face.box[1] + face.box[3]) / 2 - rule.lift * wished
    if _is_crop_already(middle_x - wished / 2, middle_y - wished / 2, wished, width, height):
        return Crop(0, 0, width, height)
    x0 = min(max(0, round_half_up(middle_x - side / 2)), width - side)
    y0 = min(max(0, round_half_up(middle_y - side / 2)), height - side)
    return Crop(x0, y0, x0 + side, y0 + side)


def _is_crop_already(x0: float, y0: float, side: float, width: int, height: int) -> bool:
    """Whether a picture is what would be cut around its face; nearly, as training crops are."""
    if max(width, height) > MAX_ASPECT * min(width, height):
        return False
    shared_x = max(0.0, min(x0 + side, width) - max(x0, 0.0))
    shared_y = max(0.0, min(y0 + side, height) - max(y0, 0.0))
    shared = shared_x * shared_y
    return shared >= MIN_SHARED * (side * side + width * height - shared)


def fit_to_pixels(crop: Crop, picture: Reduced, size: tuple[int, int]) -> tuple[Crop, Crop]:
    """A crop in whole pixels of a reduced picture of `size`, there and in the whole picture.

    It moves by half a pixel of the reduced picture at most.
    """
    left, top = picture.offset
    width, height = size
    longest = width if crop.x1 - crop.x0 != crop.y1 - crop.y0 else min(size)
    wide = min(max(1, round_half_up((crop.x1 - crop.x0) / picture.by)), longest)
    high = min(max(1, round_half_up((crop.y1 - crop.y0) / picture.by)), min(longest, height))
    x0 = min(max(0, round_half_up((crop.x0 - left) / picture.by)), width - wide)
    y0 = min(max(0, round_half_up((crop.y0 - top) / picture.by)), height - high)
    by = picture.by
    there = Crop(x0, y0, x0 + wide, y0 + high)
    whole = Crop(x0 * by + left, y0 * by + top, (x0 + wide) * by + left, (y0 + high) * by + top)
    return there, whole


def round_half_up(value: float) -> int:
    """To the next whole number; Python's `round` takes halves to the even one."""
    return math.floor(value + 0.5)
