"""How crops that somebody brings were cut: the square's side and place by the box of its face.

found = measure_framings(paths, FaceDetector())
found.rule()   # CropRule("face", side=1.57, lift=0.046), the medians
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from PIL import Image

from gazeclip.images.crop_rule import FACE, CropRule
from gazeclip.images.preprocess import load_image
from runtimes.faces.box import FaceBox
from runtimes.faces.crop import MAX_ASPECT
from runtimes.faces.detect import FaceDetector

# The detector finds faces in photographs, and boxes are measured as it finds them there: a crop is
# laid on grey and takes a quarter of its width, as where framing was measured (docs/faces.md).
CROP_SIDE = 160
CANVAS = (640, 480)
GREY = (128, 128, 128)
# By docs/faces.md a square that is so much wider, or narrower, changes about one verdict in seven.
TOO_WIDE = 1.05
TOO_NARROW = 0.88
FAR_LIFT = 0.05  # moves the square as much as the side's bounds move its edges


class Framing(NamedTuple):
    """Of one crop, `side` and `lift` as `CropRule` has them."""

    side: float
    lift: float


@dataclass(frozen=True)
class Framings:
    """Those of many crops.

    Attributes:
        found: one for each crop with a face.
        faceless: crops in which no face was found.
        oblong: pictures that are not nearly square, and were not looked at.
    """

    found: tuple[Framing, ...]
    faceless: int
    oblong: int

    def rule(self) -> CropRule:
        """The medians of what was found, which is something, in the digits that they are worth.

        Raises:
            ConfigError: no rule allows such medians.
        """
        side = median(framing.side for framing in self.found)
        lift = median(framing.lift for framing in self.found)
        return CropRule(FACE, round(side, 2), round(lift, 3))


def describe_square(face: FaceBox, x0: float, y0: float, side: float) -> Framing:
    """The framing of a square whose left upper corner is `x0, y0`, around a face that was found."""
    # The middle across says nothing: rules have none.
    above = (face.box[1] + face.box[3]) / 2 - (y0 + side / 2)
    return Framing(side / math.sqrt(face.width * face.height), above / side)


def measure_framing(crop: Image.Image, detector: FaceDetector) -> Framing | None:
    """How one square RGB crop is cut around its largest face; None where none is found."""
    square = crop.resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BICUBIC)
    x0 = (CANVAS[0] - CROP_SIDE) // 2
    y0 = (CANVAS[1] - CROP_SIDE) // 2
    picture = Image.new("RGB", CANVAS, GREY)
    picture.paste(square, (x0, y0))
    faces = detector.find(picture)
    return describe_square(faces[0], x0, y0, CROP_SIDE) if faces else None


def measure_framings(
    paths: Sequence[Path],
    detector: FaceDetector,
    progress: Callable[[int, int], None] | None = None,
) -> Framings:
    """How the images of some files are cut.

    Raises:
        ImageError: one cannot be read.
    """
    found = []
    faceless = 0
    oblong = 0
    for number, path in enumerate(paths, start=1):
        crop = load_image(path, draft_size=CROP_SIDE)
        if max(crop.size) > MAX_ASPECT * min(crop.size):
            oblong += 1
        elif framing := measure_framing(crop, detector):
            found.append(framing)
        else:
            faceless += 1
        if progress is not None:
            progress(number, len(paths))
    return Framings(tuple(found), faceless, oblong)


def is_far(stated: CropRule, measured: CropRule) -> bool:
    """Whether squares cut by the one rule are other pictures than those cut by the other."""
    wider = stated.side / measured.side
    moved = abs(stated.lift - measured.lift)
    return not TOO_NARROW <= wider <= TOO_WIDE or moved > FAR_LIFT
