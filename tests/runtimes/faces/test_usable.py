"""What cannot be judged, each by its name."""

from __future__ import annotations

import math

import pytest

from gazeclip.errors import FaceError, ImageError
from gazeclip.images.crop_rule import CropRule
from runtimes.faces.box import Corners, FaceBox
from runtimes.faces.crop import Crop, cut_square
from runtimes.faces.usable import (
    MAX_OUTSIDE,
    MAX_TURN,
    OUTCOMES,
    describe_obstacle,
    find_obstacle,
    measure_outside,
    measure_turn,
)

PICTURE = (1000, 800)


def make_face(box: Corners, turn: float = 0.0, roll_deg: float = 0.0) -> FaceBox:
    """A face whose nose lies `turn` eye distances beside the middle, the whole turned in place."""
    x0, y0, x1, y1 = box
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    apart = 0.4 * (x1 - x0)
    flat = [(-0.5, -0.3), (0.5, -0.3), (turn, 0.1), (-0.4, 0.5), (0.4, 0.5)]
    cos = math.cos(math.radians(roll_deg))
    sin = math.sin(math.radians(roll_deg))
    points = tuple(
        (middle[0] + apart * (cos * x - sin * y), middle[1] + apart * (sin * x + cos * y))
        for x, y in flat
    )
    return FaceBox(box, points, 0.9)


def find(face: FaceBox, size: int = 96) -> str | None:
    return find_obstacle(face, cut_square(face, *PICTURE, CropRule()), PICTURE, size)


def test_a_good_face_has_no_obstacle() -> None:
    assert find(make_face((300, 200, 400, 320))) is None


def test_too_small_depends_on_the_model() -> None:
    face = make_face((300, 200, 400, 320))
    assert find(face, 224) is None
    assert find(face, 512) == "too_small"
    crop = Crop(0, 0, 48, 48)
    assert find_obstacle(face, crop, PICTURE, 96) is None  # enlarged twice, no more
    assert find_obstacle(face, crop, PICTURE, 97) == "too_small"


@pytest.mark.parametrize("side", range(4))
def test_cut_off_at_any_side(side: int) -> None:
    for share, expected in ((MAX_OUTSIDE - 0.02, None), (MAX_OUTSIDE + 0.02, "cut_off")):
        x = [-100 * share, 900 + 100 * share, 400, 400][side]
        y = [300, 300, -120 * share, 680 + 120 * share][side]
        face = make_face((x, y, x + 100, y + 120))
        assert measure_outside(face, PICTURE) == pytest.approx(share)
        assert find(face) == expected
    outside = make_face((-200, -200, -100, -80))
    assert measure_outside(outside, PICTURE) == 1.0


def test_a_point_beyond_the_edge_is_cut_off() -> None:
    face = make_face((0, 300, 100, 420))
    assert find(face) is None
    moved = face._replace(points=(*face.points[:4], (-1.0, 400.0)))
    assert find(moved) == "cut_off"


@pytest.mark.parametrize("roll_deg", [0, 25, -60])
@pytest.mark.parametrize("sign", [1, -1])
def test_turned_away_whatever_the_roll(roll_deg: float, sign: int) -> None:
    for turn, expected in ((MAX_TURN - 0.01, None), (MAX_TURN + 0.01, "turned_away")):
        face = make_face((300, 200, 400, 320), sign * turn, roll_deg)
        assert measure_turn(face) == pytest.approx(turn)
        assert find(face) == expected


def test_eyes_in_one_place_are_turned_away() -> None:
    face = make_face((300, 200, 400, 320))
    assert find(face._replace(points=(face.points[0], *face.points[:1], *face.points[2:]))) == (
        "turned_away"
    )


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_has_words_and_a_remedy(outcome: str) -> None:
    error = describe_obstacle("a.jpg", outcome)
    assert isinstance(error, FaceError) and isinstance(error, ImageError)
    assert error.outcome == outcome and error.message.startswith("a.jpg: ") and error.remedy
    assert "\n" not in str(error)
