"""Every kind of photograph becomes the square it should, hostile bytes become an `ImageError`."""

from __future__ import annotations

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gazeclip.data.headers import read_header
from gazeclip.errors import ConfigError, ImageError
from gazeclip.images.preprocess import PixelContract, load_image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10))
        + chunk(b"IEND", b"")
    )


TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", TURNS)
def test_exif_orientation(orientation: int) -> None:
    pixels = noise(5, 8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = load_image(encoded(Image.fromarray(pixels), exif=exif))
    np.testing.assert_array_equal(np.asarray(loaded), TURNS[orientation](pixels))


def test_transparency_lies_over_mid_grey() -> None:
    rgba = np.array([[[255, 0, 100, 0], [255, 0, 100, 255], [255, 0, 100, 128]]], dtype=np.uint8)
    got = np.asarray(load_image(encoded(Image.fromarray(rgba)))).astype(float)
    alpha = rgba[..., 3:] / 255
    np.testing.assert_allclose(got, rgba[..., :3] * alpha + 128 * (1 - alpha), atol=1.0)
    grey = Image.fromarray(np.array([[[200, 0], [200, 255]]], dtype=np.uint8))
    assert np.asarray(load_image(encoded(grey)))[0].tolist() == [[128] * 3, [200] * 3]


def test_a_transparent_palette_entry() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert np.asarray(load_image(encoded(image, transparency=0)))[0].tolist() == [
        [128] * 3,
        [40, 50, 60],
    ]


def test_sixteen_bits_keep_their_range() -> None:
    values = np.array([[0, 257 * 100, 65535, 40000]], dtype=np.uint16)
    got = np.asarray(load_image(encoded(Image.fromarray(values))))
    assert got[0, :, 0].tolist() == [0, 100, 255, round(40000 / 257)]
    assert (got == got[..., :1]).all()


def test_cmyk_jpeg_and_grey() -> None:
    cyan = Image.new("CMYK", (64, 64), (255, 0, 0, 0))
    np.testing.assert_allclose(
        np.asarray(load_image(encoded(cyan, "JPEG", quality=95)))[30, 30], [0, 255, 255], atol=4
    )
    assert (
        np.asarray(load_image(encoded(Image.new("L", (4, 4), 77)))).reshape(-1, 3).tolist()
        == [[77] * 3] * 16
    )


def test_one_kind_of_square_whatever_the_source(tmp_path) -> None:
    pixels = noise(40, 60)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    contract = PixelContract(32)
    expected = np.asarray(Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC))
    for source in (path, str(path), path.read_bytes(), Image.open(path), pixels):
        got = contract.apply(source)
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, expected)
    assert not np.array_equal(PixelContract(32, "bilinear").apply(path), expected)
    np.testing.assert_array_equal(
        PixelContract(40).apply(pixels[:, :40]), pixels[:, :40]
    )  # nothing to resample


def test_draft_never_goes_below_three_times_the_size() -> None:
    ramp = np.broadcast_to(
        np.linspace(0, 255, 1600).astype(np.uint8)[None, :, None], (1600, 1600, 3)
    )
    data = encoded(Image.fromarray(ramp.copy()), "JPEG", quality=95)
    assert load_image(data, draft_size=96).size == (400, 400)
    assert load_image(data, draft_size=200).size == (800, 800)
    assert load_image(data).size == (1600, 1600)
    full = np.asarray(load_image(data).resize((96, 96), Image.Resampling.BICUBIC)).astype(float)
    np.testing.assert_allclose(PixelContract(96).apply(data), full, atol=4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_truncated_files(kind: str, share: float) -> None:
    data = encoded(Image.fromarray(noise(64, 64)), kind)
    with pytest.raises(ImageError):
        load_image(data[: int(len(data) * share)])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(12_000, 11_000), (60_000, 60_000)])
def test_bombs_are_refused_undecoded(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=f"has {size[0]} x {size[1]} pixels") as caught:
        load_image(png_header(*size))
    assert caught.value.remedy == "Downscale it below 120 megapixels"


def jpeg_of_size(width: int, height: int) -> bytes:
    """A small JPEG whose header claims another size; libjpeg fills up what is missing."""
    data = bytearray(encoded(Image.new("RGB", (64, 64), (200, 40, 90)), "JPEG"))
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.filterwarnings("error")  # no word of Pillow's about bombs
def test_large_photographs_are_taken_and_larger_ones_refused() -> None:
    photograph = Image.new("RGB", (12_000, 9_000), (200, 40, 90))  # 108 megapixels
    pixels = PixelContract(32).apply(encoded(photograph, "JPEG"))
    np.testing.assert_allclose(pixels, np.broadcast_to([200, 40, 90], (32, 32, 3)), atol=4)
    for draft_size, limit in ((32, 200), (None, 120)):  # at a fraction of its size, and whole
        with pytest.raises(ImageError, match="has 16400 x 12300 pixels") as caught:
            load_image(jpeg_of_size(16_400, 12_300), draft_size)
        assert caught.value.remedy == f"Downscale it below {limit} megapixels"


def test_a_header_is_read_of_every_photograph_that_is_taken(tmp_path) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(jpeg_of_size(16_000, 12_000))  # 192 megapixels
    header = read_header(path)
    assert header is not None and (header.width, header.height) == (16_000, 12_000)


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_not_an_image(data: bytes) -> None:
    with pytest.raises(ImageError):
        load_image(data)


@pytest.mark.skipif(os.sep == "\\", reason="there a backslash parts folders")
def test_backslashes_of_a_path_that_is_not_there_are_named(tmp_path) -> None:
    with pytest.raises(ImageError, match="does not exist") as caught:
        load_image(tmp_path / "a\\b.png")
    assert caught.value.remedy == "Write '/' between folders, not '\\'"


def test_paths_that_are_no_files(tmp_path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        load_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="is a folder"):
        load_image(tmp_path)


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)],
)
def test_arrays_that_are_no_images(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match="not an image"):
        load_image(array)


@pytest.mark.parametrize("arguments", [(15,), (1025,), (96, "nearest")])
def test_faulty_contracts(arguments: tuple) -> None:
    with pytest.raises(ConfigError):
        PixelContract(*arguments)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_broken_exif_block_is_a_damaged_image(kind: str) -> None:
    picture = encoded(Image.new("RGB", (8, 8)), kind, exif=b"Exif\0\0II*\0")
    with pytest.raises(ImageError, match="damaged"):
        load_image(picture)


def test_an_array_that_is_the_input_already_is_copied_and_no_more() -> None:
    contract = PixelContract(32)
    pixels = noise(64, 32)[::2]  # rows apart in memory
    found = contract.read(pixels)
    np.testing.assert_array_equal(found.array, contract.apply(Image.fromarray(pixels)))
    assert found[1:] == (1, None, 1)
    assert found.array.flags.c_contiguous and not np.shares_memory(found.array, pixels)
    with pytest.raises(ImageError, match="array of int16"):
        contract.apply(pixels.astype(np.int16))
