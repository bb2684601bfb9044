"""Frames of animations and pages of files, one after the other, as Pillow gives them plainly."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, features

from gazeclip.errors import ImageError
from gazeclip.images.preprocess import PixelContract, decode_frames, decode_image

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
KINDS = ["WEBP", "TIFF", "PNG", "MPO", "AVIF"]


def encoded(kind: str, frames: list[Image.Image], **options: object) -> bytes:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    buffer = io.BytesIO()
    first, *others = [frame.copy() for frame in frames]
    first.save(buffer, kind, save_all=True, append_images=others, **options)
    return buffer.getvalue()


def paint(size: tuple[int, int] = (40, 30)) -> list[Image.Image]:
    return [Image.new("RGB", size, colour) for colour in COLOURS]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1, 2, 3, 9, None])
def test_as_many_as_asked_for(kind: str, limit: int | None) -> None:
    decoded = list(decode_frames(encoded(kind, paint()), limit))
    assert [frame.frame for frame in decoded] == [1, 2, 3][:limit]
    assert all(frame.frames == 3 for frame in decoded)
    for frame, colour in zip(decoded, COLOURS, strict=False):
        np.testing.assert_allclose(np.asarray(frame.image)[15, 20], colour, atol=4)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_those_of_pillow(kind: str) -> None:
    generator = np.random.default_rng(0)
    size = (1200, 900) if kind == "MPO" else (400, 300)  # only a JPEG is decoded at a quarter
    # Smooth, so that two decoders of a JPEG at another scale agree.
    pictures = [
        Image.fromarray(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size)
        for _ in range(3)
    ]
    options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(kind, pictures, **options)
    plain = Image.open(io.BytesIO(data))
    frames = list(PixelContract(64).read_frames(data, None))
    assert len(frames) == 3
    for number, pixels in enumerate(frames):
        plain.seek(number)
        wanted = np.asarray(plain.convert("RGB").resize((64, 64), Image.Resampling.BICUBIC))
        if kind == "MPO":  # decoded at a quarter
            assert np.abs(pixels.array.astype(int) - wanted).mean() < 1
        else:
            np.testing.assert_array_equal(pixels.array, wanted)


def test_the_first_frame_is_the_same_whatever_follows() -> None:
    picture = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    )
    data = encoded("MPO", [picture, *paint((1200, 900))])
    contract = PixelContract(64)
    first = next(contract.read_frames(data, None))
    np.testing.assert_array_equal(first.array, contract.apply(data))


def test_pages_of_different_sizes_and_depths() -> None:
    deep = Image.fromarray(np.full((20, 10), 25700, dtype=np.uint16))
    pages = [Image.new("RGB", (40, 30), (9, 8, 7)), Image.new("L", (5, 6), 77), deep]
    decoded = [np.asarray(frame.image) for frame in decode_frames(encoded("TIFF", pages), None)]
    assert [array.shape for array in decoded] == [(30, 40, 3), (6, 5, 3), (20, 10, 3)]
    assert [array[0, 0].tolist() for array in decoded] == [[9, 8, 7], [77] * 3, [100] * 3]


def test_a_damaged_frame_is_named_and_those_before_it_are_given() -> None:
    data = encoded("TIFF", paint())
    frames = decode_frames(data[:-100], None)
    assert [next(frames).frame, next(frames).frame] == [1, 2]
    with pytest.raises(ImageError, match="image, frame 3, is damaged"):
        next(frames)


def test_the_callers_picture_stays_at_its_frame() -> None:
    for taken in (1, 2, 3):
        picture = Image.open(io.BytesIO(encoded("TIFF", paint())))
        picture.seek(1)
        frames = decode_frames(picture, None)
        assert [next(frames).frame for _ in range(taken)] == [2, 1, 3][:taken]
        frames.close()
        assert picture.tell() == 1
        assert picture.convert("RGB").getpixel((5, 5)) == COLOURS[1]


def test_of_the_callers_picture_its_frame_is_judged() -> None:
    picture = Image.open(io.BytesIO(encoded("TIFF", paint())))
    picture.seek(1)
    decoded = decode_image(picture)
    assert (decoded.frame, decoded.frames) == (2, 3)
    assert decoded.image.getpixel((5, 5)) == COLOURS[1]


def test_a_still_picture_is_one_frame() -> None:
    still = np.zeros((4, 4, 3), np.uint8)
    assert [(frame.frame, frame.frames) for frame in decode_frames(still, None)] == [(1, 1)]
