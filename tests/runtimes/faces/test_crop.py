"""The square around a face: by hand in the middle, always whole and inside at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from runtimes.faces.box import FaceBox
from runtimes.faces.crop import LIFT, SIDE_FACTOR, cut_square


def make_face(x0: float, y0: float, x1: float, y1: float) -> FaceBox:
    return FaceBox((x0, y0, x1, y1), ((0.0, 0.0),) * 5, 0.9)


def test_in_the_middle_of_a_picture() -> None:
    crop = cut_square(make_face(300, 200, 380, 300), 1000, 800)
    side = SIDE_FACTOR * np.sqrt(80 * 100)
    assert crop.side == crop.y1 - crop.y0 == round(side)
    assert (crop.x0 + crop.x1) / 2 == pytest.approx(340, abs=0.5)
    assert (crop.y0 + crop.y1) / 2 == pytest.approx(250 - LIFT * side, abs=0.5)


@pytest.mark.parametrize("seed", range(4))
def test_always_a_square_inside_the_picture(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(50):
        width, height = (int(value) for value in rng.integers(1, 400, 2))
        x0, y0 = rng.uniform(-100, 400, 2)
        face = make_face(x0, y0, x0 + rng.uniform(0, 500), y0 + rng.uniform(0, 500))
        crop = cut_square(face, width, height)
        assert 0 <= crop.x0 < crop.x1 <= width and 0 <= crop.y0 < crop.y1 <= height
        assert crop.x1 - crop.x0 == crop.y1 - crop.y0
        assert all(isinstance(value, int) for value in crop)


def test_at_the_edge_it_keeps_its_size_and_shrinks_only_where_it_cannot() -> None:
    middle = cut_square(make_face(300, 200, 380, 300), 1000, 800)
    corner = cut_square(make_face(0, 0, 80, 100), 1000, 800)
    assert corner.side == middle.side and corner[:2] == (0, 0)
    far = cut_square(make_face(920, 700, 1000, 800), 1000, 800)
    assert far.side == middle.side and far.x1 == 1000
    # 130 pixels are wished for around (50, 54); the picture has 100
    assert cut_square(make_face(10, 10, 90, 110), 100, 120) == (0, 4, 100, 104)
