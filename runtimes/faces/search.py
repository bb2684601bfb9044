"""The faces of a photograph that can be judged, each cut out; and what is wrong with the others.

Faces are looked for in the picture as it came from the decoder, which of a large JPEG may be a
fraction. It is decoded again, larger, only where a crop needs more pixels than that has.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from PIL import Image

from gazeclip.images.crop_rule import CropRule
from gazeclip.images.preprocess import DecodedImage
from gazeclip.images.reduced import Reduced, choose_fraction
from runtimes.faces.blur import is_blurred
from runtimes.faces.box import FaceBox
from runtimes.faces.crop import Crop, cut_square, fit_to_pixels
from runtimes.faces.detect import FaceDetector
from runtimes.faces.usable import BLURRED, find_obstacle

# Pixels of a crop for one of the model's input, so that scaling still has detail to average: what
# the pixel contract asks for where a whole JPEG is the crop.
_DETAIL = 3
# Pixels around crops that are decoded too, because whole pixels of a fraction move a crop a little.
_MARGIN = 16


class UsableFace(NamedTuple):
    """A face, its crop in whole pixels of the photograph, and the pixels of that, RGB."""

    face: FaceBox
    crop: Crop
    pixels: Image.Image


@dataclass
class Search:
    """What a photograph holds.

    Attributes:
        usable: the largest first.
        obstacles: why the other faces cannot be judged, the largest first.
        unjudged: these faces, in the same order.
        decode_ms, detect_ms: for decoding again, and for all the rest.
    """

    usable: list[UsableFace] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)
    unjudged: list[FaceBox] = field(default_factory=list)
    decode_ms: float = 0.0
    detect_ms: float = 0.0


def search_faces(photo: DecodedImage, detector: FaceDetector, rule: CropRule, size: int) -> Search:
    """Find and cut the faces of a photograph.

    Args:
        size: side of the model's input.

    Raises:
        ImageError: the photograph cannot be decoded again.
    """
    started = time.perf_counter()
    found = Search()
    picture = _place(photo)
    places = _place_faces(photo, detector, rule)
    obstacles = [find_obstacle(face, crop, picture.size, size) for face, crop in places]
    crops = [crop for (_, crop), why in zip(places, obstacles, strict=True) if why is None]
    detail = photo
    if crops:
        decoding = time.perf_counter()
        detail = _decode_enough(photo, crops, size)
        found.decode_ms = (time.perf_counter() - decoding) * 1e3
    for (face, crop), why in zip(places, obstacles, strict=True):
        obstacle = why
        if obstacle is None:
            there, shown = fit_to_pixels(crop, _place(detail), detail.image.size)
            pixels = detail.image.crop(there)
            if not is_blurred(pixels):
                found.usable.append(UsableFace(face, shown, pixels))
                continue
            obstacle = BLURRED
        found.obstacles.append(obstacle)
        found.unjudged.append(face)
    found.detect_ms = (time.perf_counter() - started) * 1e3 - found.decode_ms
    return found


def _place_faces(
    photo: DecodedImage, detector: FaceDetector, rule: CropRule
) -> list[tuple[FaceBox, Crop]]:
    """Faces with their crops in whole pixels of the photograph, the largest first."""
    picture = _place(photo)
    places = []
    for small in detector.find(photo.image):
        face = small.enlarge(picture.by, picture.offset)
        crop = cut_square(face, *picture.size, rule)
        places.append((face, crop))
        if crop == (0, 0, *picture.size):
            break  # a crop of this face: others at its edge were no matter in training either
    return places


def _place(photo: DecodedImage) -> Reduced:
    return photo.reduced or Reduced(1, photo.image.size)


def _decode_enough(photo: DecodedImage, crops: Sequence[Crop], size: int) -> DecodedImage:
    """The photograph with enough pixels for these crops, and perhaps black beside them."""
    by = choose_fraction(min(crop.side for crop in crops), _DETAIL * size)
    if photo.decode_again is None or by >= _place(photo).by:
        return photo
    x0 = min(crop.x0 for crop in crops) - _MARGIN
    y0 = min(crop.y0 for crop in crops) - _MARGIN
    x1 = max(crop.x1 for crop in crops) + _MARGIN
    y1 = max(crop.y1 for crop in crops) + _MARGIN
    return photo.decode_again(by, (x0, y0, x1, y1))
