"""Embedded profiles are converted to sRGB as Little CMS does it plainly, and as NumPy says."""

from __future__ import annotations

import io
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageCms

from gazeclip.errors import ImageError
from gazeclip.images.preprocess import PixelContract, decode_image
from tests.gazeclip.images import profiles as made

TABLE = made.decode_srgb(np.linspace(0, 1, 1024))
P3 = made.make_rgb(made.DISPLAY_P3, TABLE, "Display P3")
ADOBE = made.make_rgb(made.ADOBE_RGB, made.ADOBE_GAMMA, "Adobe RGB (1998)")
LINEAR_GREY = made.make_grey(1.0)
LEFT_OUT = "its colour profile cannot be used and is left out (colours are taken as sRGB)"
# Pillow's formats that keep a profile and every bit.
LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True, "exact": True}}


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def decode(data: bytes) -> tuple[np.ndarray, str | None]:
    decoded = decode_image(data)
    assert decoded.image.mode == "RGB"
    return np.asarray(decoded.image).astype(int), decoded.note


@pytest.mark.parametrize(
    ("profile", "given", "wanted"),
    [
        (P3, (234, 51, 35), (255, 0, 0)),  # sRGB's red as a telephone writes it
        (ADOBE, (144, 255, 60), (0, 255, 0)),
        (ADOBE, (219, 0, 0), (255, 0, 0)),
        (P3, (128, 128, 128), (128, 128, 128)),
    ],
)
def test_colours_that_are_known(profile: bytes, given: tuple, wanted: tuple) -> None:
    data = encoded(Image.new("RGB", (4, 4), given), icc_profile=profile)
    got, _ = decode(data)
    # Where sRGB's corner lies exactly, half a step in the given numbers is up to 13 levels of a
    # dark channel: its curve is steep there.
    np.testing.assert_allclose(got, np.broadcast_to(wanted, got.shape), atol=13)
    assert not np.array_equal(got[0, 0], given) or given == wanted


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("name", ["p3", "adobe"])
def test_pixels_are_those_of_the_formula_and_of_little_cms(kind: str, name: str) -> None:
    profile = {"p3": P3, "adobe": ADOBE}[name]
    pixels = noise(40, 30, 3)
    got, note = decode(
        encoded(Image.fromarray(pixels), kind, icc_profile=profile, **LOSSLESS[kind])
    )
    plain = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.PERCEPTUAL,
    )
    np.testing.assert_array_equal(got, np.asarray(plain))
    stored = pixels / 255
    light = made.decode_srgb(stored) if name == "p3" else stored**made.ADOBE_GAMMA
    primaries = {"p3": made.DISPLAY_P3, "adobe": made.ADOBE_RGB}[name]
    exact = made.xyz_to_srgb(light @ made.find_matrix(primaries).T)
    assert np.abs(got - exact).max() <= 1  # half a step is rounding, the rest Little CMS's tables
    assert np.abs(got - pixels).mean() > 4  # it was no copy
    title = {"p3": "Display P3", "adobe": "Adobe RGB (1998)"}[name]
    assert note == f"colours converted from '{title}' to sRGB"


def test_jpeg_at_every_scale_is_converted() -> None:
    data = encoded(Image.new("RGB", (800, 800), (200, 120, 60)), "JPEG", icc_profile=P3)
    light = made.decode_srgb(np.array([200, 120, 60]) / 255)
    exact = made.xyz_to_srgb(light @ made.find_matrix(made.DISPLAY_P3).T)
    pixels = PixelContract(64).read(data)  # decoded at a quarter
    np.testing.assert_allclose(pixels.array[32, 32], exact, atol=4)  # JPEG's rounding
    np.testing.assert_allclose(decode(data)[0][400, 400], exact, atol=4)
    assert pixels.note == "colours converted from 'Display P3' to sRGB"


@pytest.mark.parametrize("name", ["little cms", "table"])
@pytest.mark.parametrize("shape", [(20, 20, 3), (20, 20)])
def test_srgb_is_left_as_it_is(name: str, shape: tuple[int, ...]) -> None:
    # As two programs write it: parametric curves, and a table of 1024 as in IEC61966-2.1. Pillow
    # keeps it when it turns a picture grey.
    profiles = {
        "little cms": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "table": made.make_rgb(made.SRGB, TABLE),
    }
    image = Image.fromarray(noise(*shape))
    got, note = decode(encoded(image, icc_profile=profiles[name]))
    assert note is None
    np.testing.assert_array_equal(got, np.asarray(image.convert("RGB")))


def test_transparency_is_kept_and_laid_over_grey_afterwards() -> None:
    rgba = noise(20, 20, 4)
    rgba[:10, :, 3] = 0
    got, _ = decode(encoded(Image.fromarray(rgba), icc_profile=P3))
    colours, _ = decode(encoded(Image.fromarray(rgba[..., :3].copy()), icc_profile=P3))
    alpha = rgba[..., 3:] / 255
    np.testing.assert_allclose(got, colours * alpha + 128 * (1 - alpha), atol=1)
    assert (got[:10] == 128).all()


def test_a_palette_is_converted() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 120, 60, 40, 150, 60])
    image.putpixel((1, 0), 1)
    got, note = decode(encoded(image, icc_profile=P3, transparency=1))
    wanted, _ = decode(encoded(Image.new("RGB", (1, 1), (200, 120, 60)), icc_profile=P3))
    assert got[0].tolist() == [wanted[0, 0].tolist(), [128] * 3] and note is not None


def test_grey_profiles_at_every_depth() -> None:
    # Half the light is 188 in sRGB, whatever the depth.
    eight = Image.new("L", (4, 4), 128)
    sixteen = Image.fromarray(np.array([[0, 32896, 65535, 7]], dtype=np.uint16))
    faint = Image.merge("LA", (eight, Image.new("L", (4, 4), 255)))
    for image in (eight, faint):
        got, note = decode(encoded(image, icc_profile=LINEAR_GREY))
        np.testing.assert_allclose(got, 188, atol=1)
        assert note == "colours converted from 'Test grey' to sRGB"
    got, _ = decode(encoded(sixteen, "TIFF", icc_profile=LINEAR_GREY))
    np.testing.assert_allclose(got[0, :3, 0], [0, 188, 255], atol=1)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks(kind: str) -> None:
    c, m, y, k = np.meshgrid(*[np.arange(2.0)] * 4, indexing="ij")
    # White and black are those of sRGB: Little CMS would move others there.
    light = 1 - k
    lab = np.stack(
        [
            light * (100 - 15 * (c + m + y)),
            light * 30 * (m - c),
            light * 30 * (y - (c + m) / 2),
        ],
        axis=-1,
    )  # (2, 2, 2, 2, 3)
    profile = made.make_cmyk(lab)
    for inks in [
        (0, 0, 0, 0),
        (1, 0, 0, 0),
        (0, 1, 0, 0),
        (0, 0, 1, 0),
        (1, 1, 1, 0),
        (0, 0, 0, 1),
    ]:
        image = Image.new("CMYK", (16, 16), tuple(255 * ink for ink in inks))
        options = {"quality": 95} if kind == "JPEG" else {}
        got, note = decode(encoded(image, kind, icc_profile=profile, **options))
        # Lab in 8 bits is coarse: half a step of a and b are two levels.
        np.testing.assert_allclose(got[8, 8], made.lab_to_srgb(lab[inks]), atol=4)
        assert note == "colours converted from 'Test inks' to sRGB"


def png_with_profile(content: bytes, checksum: int | None = None) -> bytes:
    """A PNG whose chunk iCCP holds these bytes, and this checksum instead of the right one."""
    data = encoded(Image.new("RGB", (4, 4), (200, 120, 60)))
    body = b"iCCP" + content
    length = (len(body) - 4).to_bytes(4, "big")
    end = (zlib.crc32(body) if checksum is None else checksum).to_bytes(4, "big")
    return data[:33] + length + body + end + data[33:]


@pytest.mark.parametrize(
    "data",
    [
        png_with_profile(b"name\0\0no zlib"),
        png_with_profile(b"name\0\7" + zlib.compress(P3)),  # a compression that there is not
        png_with_profile(b"name\0\0" + zlib.compress(P3), checksum=5),
        png_with_profile(b"name\0\0" + zlib.compress(P3 + bytes(5_000_000))),  # beyond a limit
        png_with_profile(b"no end of the name"),
    ],
)
def test_a_profile_that_breaks_its_png_is_left_out(data: bytes) -> None:
    got, note = decode(data)
    assert note == LEFT_OUT
    assert got.tolist() == [[[200, 120, 60]] * 4] * 4
    with pytest.raises(ImageError, match="damaged"):
        decode(data[:-30])  # the pixels are still checked
    whole = png_with_profile(b"name\0\0" + zlib.compress(P3))
    assert decode(whole)[1] == "colours converted from 'Display P3' to sRGB"


@pytest.mark.parametrize(
    "profile",
    [
        b"nonsense" * 50,
        P3[:200],
        P3[:-400],
        P3[:12] + b"link" + P3[16:],
        P3[:128],
        P3[:36] + b"xxxx",
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", *LOSSLESS])
def test_a_damaged_profile_is_left_out_with_a_note(kind: str, profile: bytes) -> None:
    image = Image.new("RGB", (16, 16), (200, 120, 60))
    got, note = decode(encoded(image, kind, icc_profile=profile, **LOSSLESS.get(kind, {})))
    assert note == LEFT_OUT
    np.testing.assert_allclose(got[8, 8], [200, 120, 60], atol=2)


def test_a_jpeg_that_lacks_parts_of_its_profile() -> None:
    whole = encoded(Image.new("RGB", (8, 8)), "JPEG", icc_profile=P3)
    place = whole.index(b"ICC_PROFILE\0\1\1")
    wrong = whole[: place + 13] + b"\3" + whole[place + 14 :]  # it is said to be one of three
    assert decode(wrong)[1] == LEFT_OUT


def test_a_profile_for_another_kind_of_image_is_left_out() -> None:
    image = Image.new("RGB", (4, 4), (200, 120, 60))
    got, note = decode(encoded(image, icc_profile=LINEAR_GREY))
    assert note == "its colour profile is for GRAY, not RGB, and is left out"
    assert got[0, 0].tolist() == [200, 120, 60]


def test_mutated_profiles_never_fail() -> None:
    generator = np.random.default_rng(1)
    notes = set()
    for number in range(120):
        profile = bytearray((P3, ADOBE, made.make_cmyk(np.full((2, 2, 2, 2, 3), 50.0)))[number % 3])
        for _ in range(8):
            profile[generator.integers(len(profile) if number % 2 else 400)] = generator.integers(
                256
            )
        mode = "CMYK" if number % 3 == 2 else "RGB"
        _, note = decode(encoded(Image.new(mode, (8, 8)), "TIFF", icc_profile=bytes(profile)))
        notes.add(None if note is None else note.split()[0])
    assert notes >= {"colours", "its"}  # some were read, some were not


def test_one_transform_serves_many_threads() -> None:
    data = encoded(Image.fromarray(noise(200, 200, 3)), icc_profile=ADOBE)
    wanted, _ = decode(data)
    with ThreadPoolExecutor(8) as pool:
        for got, _ in pool.map(decode, [data] * 32):
            np.testing.assert_array_equal(got, wanted)


def test_the_callers_picture_is_left_as_it_is() -> None:
    picture = Image.open(io.BytesIO(encoded(Image.new("RGB", (8, 8), (9, 99, 9)), icc_profile=P3)))
    PixelContract(32).apply(picture)
    assert picture.getpixel((0, 0)) == (9, 99, 9) and picture.info["icc_profile"] == P3
