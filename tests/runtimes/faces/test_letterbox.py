"""The letterbox: a naive placement, and places that come back."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from runtimes.faces.letterbox import fit_into_square


@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (40, 40), (1, 90), (200, 160)])
@pytest.mark.parametrize("margin", [0, 4])
def test_the_picture_lies_in_the_middle_and_the_rest_is_black(
    shape: tuple[int, int], margin: int
) -> None:
    height, width = shape
    pixels = np.random.default_rng(0).integers(60, 256, (height, width, 3), dtype=np.uint8)
    square = fit_into_square(Image.fromarray(pixels), 64, margin)
    assert square.pixels.shape == (1, 64, 64, 3) and square.pixels.dtype == np.uint8
    room = 64 - 2 * margin
    if width >= height:
        wide = room
        high = max(1, round(height * room / width))
    else:
        high = room
        wide = max(1, round(width * room / height))
    left = (64 - wide) // 2
    top = (64 - high) // 2
    resized = Image.fromarray(pixels).resize((wide, high), Image.Resampling.BILINEAR)
    expected = np.zeros((64, 64, 3), np.uint8)
    for row in range(high):
        for column in range(wide):
            expected[top + row, left + column] = resized.getpixel((column, row))
    np.testing.assert_array_equal(square.pixels[0], expected)


def test_places_come_back() -> None:
    square = fit_into_square(Image.new("RGB", (301, 127)), 640, 16)
    columns = np.nonzero(square.pixels[0].any(axis=(0, 2)))[0]
    assert len(columns) == 0  # black on black: only the numbers are looked at
    places = np.array([[[0.0, 0.0], [301.0, 127.0]], [[150.5, 63.5], [-20.0, 140.0]]])
    inside = places * np.array(square.scale) + np.array(square.offset)
    # the picture's corners lie at the margin, its middle in the middle but for rounding
    assert inside[0, 0, 0] == 16 and inside[0, 1, 0] == 640 - 16
    assert inside[1, 0] == pytest.approx([320, 320], abs=0.5)
    np.testing.assert_allclose(square.find_in_picture(inside), places, atol=1e-9)
