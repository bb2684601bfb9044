"""What is answered to faces that are turned to the side: drawn ones, and photographs."""

from __future__ import annotations

import bisect
import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from benchmarks.faces.scenes import DRAWN_SIDE, draw_background
from gazeclip.faces.anatomy import render_face
from gazeclip.faces.camera import decode_photo, to_bytes
from gazeclip.faces.params import FaceParams, PhotoParams, natural_gaze
from gazeclip.images.crop_rule import CropRule
from runtimes.faces.crop import cut_square
from runtimes.faces.detect import FaceDetector
from runtimes.faces.usable import NO_FACE, find_obstacle, measure_turn

USABLE = "verdict"
# Lower edges of the ranges by which photographs are counted, in distances of the eyes.
EDGES = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75)
_SIZE = (640, 480)
_SIDE = 260  # of a crop in its picture
_CORNER = (190, 110)
_FIRST_PERSON = 3_000_000  # nobody of a data set


@dataclass
class Seen:
    """What became of some faces.

    Attributes:
        outcomes: how many of each; `verdict` where nothing stands against one.
        turns: how far the nose lies beside the eyes' middle, of each that was found.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    turns: list[float] = field(default_factory=list)


def turn_drawn(detector: FaceDetector, degrees: Sequence[float], people: int) -> list[Seen]:
    """For each angle the same people, their heads turned by it, to the left and right by turns."""
    scene = _draw_scene()
    seen = []
    for angle in degrees:
        of_angle = Seen()
        for number in range(people):
            turned = -angle if number % 2 else angle
            _note(detector, _paste(scene, draw_turned(turned, number)), of_angle)
        seen.append(of_angle)
    return seen


def count_turned(detector: FaceDetector, crops: Sequence[Image.Image]) -> list[Seen]:
    """Crops by how far the detector says that they are turned; one more for those not found."""
    scene = _draw_scene()
    ranges = [Seen() for _ in (*EDGES, NO_FACE)]
    for crop in crops:
        one = Seen()
        _note(detector, _paste(scene, crop), one)
        place = bisect.bisect_right(EDGES, one.turns[0]) - 1 if one.turns else len(EDGES)
        ranges[place].outcomes += one.outcomes
        ranges[place].turns += one.turns
    return ranges


def draw_turned(degrees: float, number: int) -> Image.Image:
    """A person's head turned by an angle, positive to the left of the picture.

    The renderer moves the features over a head that stays where it is, and knows no profile: beyond
    some 60 degrees they lie where no head has them.
    """
    rng = np.random.default_rng(np.random.SeedSequence((_FIRST_PERSON, number)))
    eyes = natural_gaze(rng)
    photo = PhotoParams.sample(rng, eyes.label)
    turned = dataclasses.replace(photo, head_yaw=float(np.deg2rad(degrees)))
    face = FaceParams.from_identity(_FIRST_PERSON + number)
    drawn = render_face(face, turned, eyes, DRAWN_SIDE)
    return Image.fromarray(decode_photo(to_bytes(drawn, rng)))


def _draw_scene() -> Image.Image:
    return draw_background(np.random.default_rng(3), *_SIZE)


def _paste(scene: Image.Image, crop: Image.Image) -> Image.Image:
    picture = scene.copy()
    picture.paste(crop.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), _CORNER)
    return picture


def _note(detector: FaceDetector, picture: Image.Image, seen: Seen) -> None:
    """What becomes of the largest face of a picture, if there is any."""
    faces = detector.find(picture)
    if not faces:
        seen.outcomes[NO_FACE] += 1
        return
    square = cut_square(faces[0], *_SIZE, CropRule())
    seen.outcomes[find_obstacle(faces[0], square, _SIZE, DRAWN_SIDE) or USABLE] += 1
    seen.turns.append(measure_turn(faces[0]))
