"""JPEGs at a fraction: where their pixels lie in the whole picture, whatever way is up."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from gazeclip.errors import ImageError
from gazeclip.images import preprocess
from gazeclip.images.preprocess import DecodedImage, decode_frames, load_image
from gazeclip.images.reduced import choose_fraction


def make_ramp(width: int, height: int, orientation: int = 1) -> bytes:
    """A JPEG in which every place has a colour of its own: red by column, green by row."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([columns, rows, np.full_like(rows, 90)], axis=-1).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=100, subsampling=0, exif=exif)
    return file.getvalue()


def look(data: bytes, look_side: int) -> DecodedImage:
    (photo,) = decode_frames(data, 1, look_side=look_side)
    return photo


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("width", "height"), [(208, 160), (207, 163)])
def test_pixels_lie_where_they_are_said_to(width: int, height: int, orientation: int) -> None:
    data = make_ramp(width, height, orientation)
    whole = np.asarray(load_image(data), float)
    photo = look(data, 50)
    assert photo.reduced is not None
    by, size, (left, top) = photo.reduced
    assert by == 4 and size == (whole.shape[1], whole.shape[0])
    assert 0 <= left < by and 0 <= top < by
    high, wide = np.asarray(photo.image).shape[:2]
    assert (wide, high) == (size[0] // by, size[1] // by)
    covered = whole[top : top + high * by, left : left + wide * by]
    means = covered.reshape(high, by, wide, by, 3).mean(axis=(1, 3))
    difference = (np.asarray(photo.image, float) - means).mean(axis=(0, 1))
    # Means of four are rounded to whole numbers. With a corner left out a colour differs by 3.
    assert np.abs(difference).max() < 0.75


def test_decoding_again_gives_the_whole_picture() -> None:
    data = make_ramp(207, 163, orientation=6)
    frames = decode_frames(data, 1, look_side=50)
    photo = next(frames)
    assert photo.decode_again is not None
    whole = photo.decode_again(1)
    assert whole.reduced == (1, (163, 207), (0, 0))
    np.testing.assert_array_equal(np.asarray(whole.image), np.asarray(load_image(data)))
    half = photo.decode_again(2)
    assert half.reduced is not None and half.reduced.by == 2 and half.image.size == (81, 103)


def test_only_jpegs_that_are_large_enough_are_reduced() -> None:
    data = make_ramp(207, 163)
    small = look(data, 104)
    assert small.reduced is not None and small.reduced.by == 1
    file = io.BytesIO()
    load_image(data).save(file, "PNG")
    assert look(file.getvalue(), 20).reduced is None
    assert look(data, 20).reduced == (8, (207, 163), (0, 0))


def test_damage_and_size_are_refused_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_ramp(207, 163)
    with pytest.raises(ImageError, match="image is damaged"):
        look(data[: len(data) // 2], 20)
    monkeypatch.setattr(preprocess, "MAX_PIXELS", 207 * 163 - 1)
    with pytest.raises(ImageError, match="207 x 163 pixels"):
        look(data, 20)


@pytest.mark.parametrize(
    ("side", "needed", "by"),
    [(4032, 608, 4), (4032, 504, 8), (1216, 608, 2), (1215, 608, 1), (100, 608, 1), (9999, 1, 8)],
)
def test_the_largest_fraction_that_leaves_enough(side: int, needed: int, by: int) -> None:
    assert choose_fraction(side, needed) == by


def test_a_given_picture_is_no_result_of_its_own() -> None:
    picture = Image.new("RGB", (20, 10), (1, 2, 3))
    result = load_image(picture)
    picture.paste((9, 9, 9), (0, 0, 20, 10))
    assert result.getpixel((5, 5)) == (1, 2, 3)
