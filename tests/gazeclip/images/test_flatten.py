"""One face in every depth and mode: the same pixels as in 8 bits, or a refusal by name."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from gazeclip.errors import ImageError
from gazeclip.images.preprocess import load_image

FACE = np.random.default_rng(0).integers(0, 256, (24, 20), dtype=np.uint8)
FACE[0, :2] = 0, 255
FULL = FACE.astype(np.int64) * 257


def encoded(values: np.ndarray | Image.Image, kind: str = "TIFF", **options: object) -> bytes:
    image = values if isinstance(values, Image.Image) else Image.fromarray(values)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


SAME = {
    "8-bit PNG": encoded(FACE, "PNG"),
    "16-bit PNG": encoded(FULL.astype(np.uint16), "PNG"),
    "16-bit TIFF": encoded(FULL.astype(np.uint16)),
    "16-bit TIFF, big end first": encoded(
        Image.frombytes("I;16B", FACE.shape[::-1], FULL.astype(">u2").tobytes())
    ),
    "16-bit TIFF, 0 is white": encoded((65535 - FULL).astype(np.uint16), tiffinfo={262: 0}),
    "8-bit TIFF, 0 is white": encoded(FACE, tiffinfo={262: 0}),  # Pillow inverts
    "32-bit TIFF of 8-bit values": encoded(FACE.astype(np.int32)),
    "32-bit TIFF of 16-bit values": encoded(FULL.astype(np.int32)),
    "float TIFF, 0 to 1": encoded((FACE / 255).astype(np.float32)),
    "float TIFF, 0 to 1, overshot by resampling": encoded(
        (FACE / 255 * 1.002 - 0.001).astype(np.float32)
    ),
    "float TIFF, 0 to 255": encoded(FACE.astype(np.float32)),
    "float TIFF, 0 to 65535": encoded(FULL.astype(np.float32)),
    "grey with alpha": encoded(Image.fromarray(FACE).convert("LA"), "PNG"),
    "palette": encoded(Image.fromarray(FACE).convert("P"), "PNG"),
    "CMYK TIFF": encoded(Image.fromarray(FACE).convert("RGB").convert("CMYK")),
}


@pytest.mark.parametrize("name", SAME)
def test_an_opened_picture_has_the_pixels_of_its_file(name: str) -> None:
    opened = np.asarray(load_image(Image.open(io.BytesIO(SAME[name]))))
    np.testing.assert_array_equal(opened, np.asarray(load_image(SAME[name])))


@pytest.mark.parametrize("name", SAME)
def test_every_depth_gives_the_same_pixels(name: str) -> None:
    got = np.asarray(load_image(SAME[name])).astype(int)
    assert np.abs(got - FACE[..., None]).max() <= (1 if "overshot" in name else 0)


@pytest.mark.parametrize("mode", ["RGBa", "La", "HSV", "YCbCr", "LAB"])
def test_pictures_in_memory_of_other_modes(mode: str) -> None:
    first = {"RGBa": "RGBA", "La": "LA"}.get(mode, "RGB")
    picture = Image.fromarray(FACE).convert(first)
    if mode == "LAB":
        cms = pytest.importorskip("PIL.ImageCms")
        profiles = [cms.createProfile("sRGB"), cms.createProfile("LAB")]
        picture = cms.profileToProfile(picture, *profiles, outputMode="LAB")
    else:
        picture = picture.convert(mode)
    got = np.asarray(load_image(picture)).astype(int)
    assert np.abs(got - FACE[..., None]).max() <= 2  # two conversions, each rounds


def test_one_bit_is_black_and_white() -> None:
    picture = Image.fromarray(FACE > 127)
    for kind in ("PNG", "TIFF"):
        got = np.asarray(load_image(encoded(picture, kind)))
        np.testing.assert_array_equal(got[..., 0], np.where(FACE > 127, 255, 0))


REFUSED = {
    "float a third above 1": (FACE / 255 * 1.3).astype(np.float32),
    "negative floats": (FACE / 255 - 0.5).astype(np.float32),
    "not a number": np.where(FACE == 255, np.nan, FACE / 255).astype(np.float32),
    "infinite": np.where(FACE == 255, np.inf, FACE / 255).astype(np.float32),
    "12 bits in a file of 16": FACE.astype(np.uint16) * 16,
    "all 32 bits": FACE.astype(np.int32) * 8_000_000,
    "floats 0 to 1 as integers": (FACE > 127).astype(np.int32),
}


@pytest.mark.parametrize("name", REFUSED)
def test_ranges_that_cannot_be_told_are_refused(name: str) -> None:
    with pytest.raises(ImageError, match="which do not fill a range of 0 to") as caught:
        load_image(encoded(REFUSED[name]))
    assert caught.value.remedy == "Save it with 8 bits per channel"


def test_black_is_black_in_every_depth() -> None:
    for kind in (np.uint8, np.uint16, np.int32, np.float32):
        assert not np.asarray(load_image(encoded(np.zeros((4, 4), kind)))).any()


def test_a_transparent_value_of_16_bits_is_mid_grey() -> None:
    data = encoded(FULL.astype(np.uint16), "PNG", transparency=0)
    got = np.asarray(load_image(data))[..., 0]
    np.testing.assert_array_equal(got, np.where(FACE == 0, 128, FACE))
