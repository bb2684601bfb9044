"""A JPEG decoded at a fraction of its size, and where its pixels lie in the whole picture.

libjpeg leaves out the high frequencies of each block of 8 x 8 pixels and so gives a half, a quarter
or an eighth of the size, without the work for the rest.
"""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image

from gazeclip.images.rows import decode_rows

# Beyond its whole size a reduced picture has a last row or column that is not whole.
_FRACTIONS = (8, 4, 2, 1)
# Which edges EXIF's orientations take to the other side, left and top (CIPA DC-008, 4.6.4).
_FLIPS = {
    2: (True, False),
    3: (True, True),
    4: (False, True),
    6: (True, False),
    7: (True, True),
    8: (False, True),
}


class Reduced(NamedTuple):
    """How a reduced picture lies in the whole one, both upright.

    Attributes:
        by: 1, 2, 4 or 8 whole pixels are one of it.
        size: width and height of the whole picture.
        offset: where its left upper corner lies in the whole picture, less than `by`.
    """

    by: int
    size: tuple[int, int]
    offset: tuple[int, int] = (0, 0)


def choose_fraction(side: int, needed: int) -> int:
    """By how much `side` pixels may be reduced at most so that `needed` are left; at least 1."""
    return next((by for by in _FRACTIONS if side >= by * needed), 1)


def reduce_jpeg(image: Image.Image, by: int, end: int | None = None) -> Image.Image:
    """An opened JPEG that is not decoded yet, as a picture whose pixels are all whole.

    Args:
        end: only the rows above this one of the whole picture, as stored, are needed.
    """
    width, height = image.size
    image.draft("RGB", (width // by, height // by))
    whole = (width // by, height // by)
    last = whole[1] if end is None else end // by
    if last < whole[1]:
        decode_rows(image, last)
    image.load()
    if image.size == whole:
        return image
    return image.crop((0, 0, *whole))


def find_end(box: tuple[int, int, int, int], size: tuple[int, int], orientation: int) -> int:
    """The row of a picture of `size`, as stored, above which all of a box of the upright one lies.

    Args:
        box: `x0, y0, x1, y1`.
    """
    flip_x, flip_y = _FLIPS.get(orientation, (False, False))
    if orientation >= 5:  # its rows are columns when it is upright
        return size[1] - box[0] if flip_x else box[2]
    return size[1] - box[1] if flip_y else box[3]


def place_reduced(size: tuple[int, int], by: int, orientation: int) -> Reduced:
    """Where a picture lies that was reduced from `size`, as stored, and then turned upright."""
    left = (size[0] % by, size[1] % by)
    if orientation >= 5:  # rows and columns change places
        size = (size[1], size[0])
        left = (left[1], left[0])
    flip_x, flip_y = _FLIPS.get(orientation, (False, False))
    return Reduced(by, size, (left[0] if flip_x else 0, left[1] if flip_y else 0))
