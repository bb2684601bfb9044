"""Sharpness: against loops, and drawn faces sharp and blurred."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from runtimes.faces.blur import MIN_SHARPNESS, is_blurred, measure_sharpness
from tests.runtimes.faces.pictures import draw_face


def test_the_same_as_loops() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    grey = [
        [0.299 * float(r) + 0.587 * float(g) + 0.114 * float(b) for r, g, b in row]
        for row in pixels
    ]
    answers = [
        grey[y - 1][x] + grey[y + 1][x] + grey[y][x - 1] + grey[y][x + 1] - 4 * grey[y][x]
        for y in range(1, 19)
        for x in range(1, 19)
    ]
    expected = np.var(answers) / np.var(grey)
    # float32 against float64
    assert measure_sharpness(Image.fromarray(pixels)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("side", [100, 224, 500])
def test_blur_is_noticed_in_any_size_and_contrast(seed: int, side: int) -> None:
    face = draw_face(seed, side)
    pale = face.point(lambda value: 110 + value // 8)
    for image in (face, pale):
        assert measure_sharpness(image) > 2 * MIN_SHARPNESS and not is_blurred(image)
    soft = face.filter(ImageFilter.GaussianBlur(5 * side / 224))
    assert is_blurred(soft)


def test_a_crop_without_detail_is_blurred() -> None:
    assert is_blurred(Image.new("RGB", (96, 96), (90, 120, 90)))
    assert is_blurred(Image.new("RGB", (1, 1)))
