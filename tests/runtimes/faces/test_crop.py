"""The square around a face: by hand in the middle, always whole and inside at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from gazeclip.images.crop_rule import CropRule
from gazeclip.images.reduced import Reduced
from runtimes.faces.box import FaceBox
from runtimes.faces.crop import Crop, choose_rule, cut_square, fit_to_pixels

RULE = CropRule(side=1.5, lift=0.1)


def make_face(x0: float, y0: float, x1: float, y1: float) -> FaceBox:
    return FaceBox((x0, y0, x1, y1), ((0.0, 0.0),) * 5, 0.9)


def test_in_the_middle_of_a_picture() -> None:
    crop = cut_square(make_face(300, 200, 380, 300), 1000, 800, RULE)
    side = RULE.side * np.sqrt(80 * 100)
    assert crop.side == crop.y1 - crop.y0 == round(side)
    assert (crop.x0 + crop.x1) / 2 == pytest.approx(340, abs=0.5)
    assert (crop.y0 + crop.y1) / 2 == pytest.approx(250 - RULE.lift * side, abs=0.5)


@pytest.mark.parametrize("seed", range(4))
def test_always_a_square_inside_the_picture(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(50):
        width, height = (int(value) for value in rng.integers(1, 400, 2))
        x0, y0 = rng.uniform(-100, 400, 2)
        face = make_face(x0, y0, x0 + rng.uniform(0, 500), y0 + rng.uniform(0, 500))
        crop = cut_square(face, width, height, RULE)
        assert 0 <= crop.x0 < crop.x1 <= width and 0 <= crop.y0 < crop.y1 <= height
        assert crop.x1 - crop.x0 == crop.y1 - crop.y0
        assert all(isinstance(value, int) for value in crop)


def test_at_the_edge_it_keeps_its_size_and_shrinks_only_where_it_cannot() -> None:
    middle = cut_square(make_face(300, 200, 380, 300), 1000, 800, RULE)
    corner = cut_square(make_face(0, 0, 80, 100), 1000, 800, RULE)
    assert corner.side == middle.side and corner[:2] == (0, 0)
    far = cut_square(make_face(920, 700, 1000, 800), 1000, 800, RULE)
    assert far.side == middle.side and far.x1 == 1000
    # 134 pixels are wished for around (50, 57); the picture has 100
    assert cut_square(make_face(10, 20, 90, 120), 100, 120, RULE) == (0, 7, 100, 107)


def test_a_crop_is_taken_as_it_is() -> None:
    face = make_face(20, 25, 80, 85)  # 90 pixels are wished for around (50, 46)
    assert cut_square(face, 100, 100, RULE) == (0, 0, 100, 100)
    assert cut_square(face, 104, 100, RULE) == (0, 0, 104, 100)
    # The same square shares 8100 of 8100 + (side^2 - 8100) pixels with a larger picture.
    assert cut_square(face, 111, 111, RULE) == (0, 0, 111, 111)
    assert cut_square(face, 112, 112, RULE) == (5, 1, 95, 91)
    # No square: scaled to one it would be squeezed.
    assert cut_square(face, 112, 100, RULE) == (5, 1, 95, 91)
    # The face fills it far more than in any training image.
    assert cut_square(make_face(-20, -20, 120, 120), 100, 100, RULE).side == 100


def test_a_bundle_without_a_rule_for_faces_has_the_usual_one() -> None:
    assert choose_rule(RULE) is RULE
    assert choose_rule(None) == choose_rule(CropRule("whole", side=2.0)) == CropRule()


@pytest.mark.parametrize("seed", range(4))
def test_whole_pixels_of_a_reduced_picture(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(50):
        by = int(rng.choice([1, 2, 4, 8]))
        width, height = (int(value) for value in rng.integers(60, 200, 2))
        rest = int(rng.integers(by))  # columns that the reduced one lacks, on one side
        left = int(rng.choice([0, rest]))
        picture = Reduced(by, (width * by + rest, height * by), (left, 0))
        side = int(rng.integers(8 * by, min(picture.size)))
        x0 = int(rng.integers(0, picture.size[0] - side))
        y0 = int(rng.integers(0, picture.size[1] - side))
        there, whole = fit_to_pixels(Crop(x0, y0, x0 + side, y0 + side), picture, (width, height))
        assert 0 <= there.x0 < there.x1 <= width and 0 <= there.y0 < there.y1 <= height
        assert there.side == there.y1 - there.y0
        assert whole.x0 == there.x0 * by + picture.offset[0] and whole.side == there.side * by
        # Half a pixel of the reduced picture for the place and for the side; more only where the
        # picture has an edge that the reduced one lacks.
        assert max(abs(whole.x0 - x0), abs(whole.y0 - y0), abs(whole.side - side)) <= 2 * by
    assert fit_to_pixels(Crop(3, 4, 9, 9), Reduced(1, (20, 20)), (20, 20))[0] == (3, 4, 9, 9)
