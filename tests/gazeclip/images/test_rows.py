"""JPEGs of which only the upper rows are decoded: what is there equals the whole decoding."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from gazeclip.errors import ImageError
from gazeclip.images.preprocess import decode_frames
from gazeclip.images.reduced import find_end
from gazeclip.images.rows import decode_rows

SIZE = (1300, 1100)
_ORIENTATION = 0x0112


def make_jpeg(orientation: int = 1, **options: object) -> bytes:
    coarse = np.random.default_rng(0).integers(1, 256, (220, 260, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    file = io.BytesIO()
    picture.save(file, "JPEG", exif=exif, **options)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("last", [0, 300, 1099])
def test_rows_equal_those_of_the_whole(options: dict[str, int], last: int) -> None:
    data = make_jpeg(**options)
    image = Image.open(io.BytesIO(data))
    decode_rows(image, last)
    with Image.open(io.BytesIO(data)) as whole:
        expected = np.asarray(whole)
    found = np.asarray(image)
    assert np.array_equal(found[: last + 1], expected[: last + 1])
    if last < 1000:
        assert not found[-1].any()  # what lies below was not decoded


def test_a_progressive_file_is_decoded_whole() -> None:
    data = make_jpeg(progressive=True)
    image = Image.open(io.BytesIO(data))
    decode_rows(image, 10)
    with Image.open(io.BytesIO(data)) as whole:
        assert np.array_equal(np.asarray(image), np.asarray(whole))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("by", [1, 2])
def test_a_box_is_there_however_the_picture_lies(orientation: int, by: int) -> None:
    frames = decode_frames(make_jpeg(orientation), 1, look_side=300)  # open as long as it lives
    photo = next(frames)
    assert photo.decode_again is not None
    whole = photo.decode_again(by)
    skipped = 0
    for x0, y0 in ((0, 0), (700, 0), (0, 700), (700, 700)):
        box = (x0, y0, x0 + 300, y0 + 300)
        there = tuple(value // by for value in box)
        part = photo.decode_again(by, box)
        assert part.image.size == whole.image.size and part.reduced == whole.reduced
        assert np.array_equal(part.image.crop(there), whole.image.crop(there))
        skipped += not np.array_equal(part.image, whole.image)
    assert skipped == 2  # two of the four lie in the upper half of the file


def test_the_end_of_a_box_is_in_the_file() -> None:
    assert find_end((10, 20, 30, 40), (100, 200), 1) == 40
    assert find_end((10, 20, 30, 40), (100, 200), 3) == 180
    assert find_end((10, 20, 30, 40), (100, 200), 5) == 30
    assert find_end((10, 20, 30, 40), (100, 200), 6) == 190


def test_damage_above_the_row_is_an_error() -> None:
    data = make_jpeg()
    with pytest.raises(ImageError, match="damaged"):
        next(decode_frames(data[: len(data) // 4], 1, look_side=300))
    image = Image.open(io.BytesIO(data[: len(data) // 4]))
    with pytest.raises(OSError, match="truncated"):
        decode_rows(image, 1000)
