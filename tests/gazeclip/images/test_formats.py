"""HEIC through its extra, AVIF through Pillow: frames, colours, cut files, and no extra."""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from gazeclip.errors import ImageError
from gazeclip.images.file_kind import recognise
from gazeclip.images.preprocess import PixelContract, decode_image, load_image
from gazeclip.images.walk import find_images

# 64 x 48 pixels in Display P3 (gamma 2.2): the left half (20, 200, 60), the right (200, 40, 90).
# Written by pillow-heif 1.8.1 with x265 at quality 60.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAA15tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAADggABAAAAAAAAAHQAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABo"
    "dmMxAAAAAA5waXRtAAAAAAABAAAC3mlwcnAAAAK+aXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEA"
    "GEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAA"
    "AwAhYgABAAZEAcFzwIkAAAH0Y29scnByb2YAAAHobGNtcwJAAABtbnRyUkdCIFhZWiAH6gABAAEAAAAAAABhY3NwAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA9tYAAQAAAADTLQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAl3dHB0AAAA8AAAABRjcHJ0AAABBAAAAA1kZXNjAAABFAAAAGVyWFlaAAABfAAAABRy"
    "VFJDAAABkAAAAA5nWFlaAAABoAAAABRnVFJDAAABtAAAAA5iWFlaAAABxAAAABRiVFJDAAAB2AAAAA5YWVogAAAAAAAA"
    "9tYAAQAAAADTLXRleHQAAAAAbm9uZQAAAABkZXNjAAAAAAAAAAtEaXNwbGF5IFAzAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAFhZWiAAAAAA"
    "AACD3wAAPb////+7Y3VydgAAAAAAAAABAjMAAFhZWiAAAAAAAABKvwAAsTcAAAq5Y3VydgAAAAAAAAABAjMAAFhZWiAA"
    "AAAAAAAoOAAAEQsAAMi5Y3VydgAAAAAAAAABAjMAAAAAABRpc3BlAAAAAAAAAEAAAABAAAAAKGNsYXAAAABAAAAAAQAA"
    "ADAAAAABAAAAAAAAAAL////wAAAAAgAAABBwaXhpAAAAAAMICAgAAAAYaXBtYQAAAAAAAAABAAEFgQIDBYQAAAB8bWRh"
    "dAAAAHAoAa8J4DkjJL6/bv//+g5v//XnqcF//ju9ffnUM3/yqD1EY1iym5hKov0YEB0M5xViMcx0zR9M+97F7s1187vv"
    "ugR15GwithW40/GQuGvQ87qBMUQVdV325V700k9BHVz1K6nMJvzVNDHR+wF2XUhY"
)


def make_avif(**options: object) -> bytes:
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 40, 90)).save(buffer, "AVIF", quality=90, **options)
    return buffer.getvalue()


def test_heic_is_read_with_its_profile(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    path = tmp_path / "photo.jpg"  # known by its bytes, whatever its name
    path.write_bytes(HEIC)
    image, frames, note = decode_image(path)
    assert image.size == (64, 48) and frames == 1
    assert note == "colours converted from 'Display P3' to sRGB"
    # Worked out with the primaries of Display P3 and sRGB; what lies outside sRGB is cut off.
    pixels = np.asarray(image).astype(int)
    np.testing.assert_allclose(pixels[24, 8], [0, 205, 0], atol=6)
    np.testing.assert_allclose(pixels[24, 56], [221, 0, 88], atol=6)
    assert PixelContract(32).apply(HEIC).shape == (32, 32, 3)


def test_avif_is_read() -> None:
    image, frames, note = decode_image(make_avif())
    assert (image.size, frames, note) == ((40, 30), 1, None)
    np.testing.assert_allclose(np.asarray(image)[15, 20], [200, 40, 90], atol=4)


@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
def test_cut_files_are_one_line(kind: str) -> None:
    if kind == "HEIC":
        pytest.importorskip("pi_heif")
    data = HEIC if kind == "HEIC" else make_avif()
    for share in (0.05, 0.3, 0.5, 0.7, 0.9, 0.99):
        with pytest.raises(ImageError, match="damaged") as caught:
            load_image(data[: int(len(data) * share)])
        assert "\n" not in caught.value.message


def test_heic_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)  # importing it fails
    with pytest.raises(ImageError, match="image is of type HEIC, and 'pi_heif' is") as caught:
        load_image(HEIC)
    assert "[heif]" in str(caught.value.remedy)
    assert load_image(Image.new("RGB", (4, 4))).size == (4, 4)


def test_nothing_is_registered_with_pillow() -> None:
    pytest.importorskip("pi_heif")
    load_image(HEIC)
    assert "HEIF" not in Image.OPEN


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        (b"heic\0\0\0\0mif1heic", "HEIC"),
        (b"mif1\0\0\0\0mif1heic", "HEIC"),
        (b"mif1\0\0\0\0mif1avif", "AVIF"),
        (b"msf1\0\0\0\0msf1mif1avis", "AVIF"),
        (b"mif1\0\0\0\0", "HEIC"),
        (b"avif\0\0\0\0mif1", "AVIF"),
        (b"isom\0\0\2\0avif", "MP4"),
    ],
)
def test_brands(brands: bytes, kind: str) -> None:
    box = (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands
    assert recognise(box + b"\0\0\0\x08avif") == kind  # what follows the box is no brand


def test_folders_show_them(tmp_path: Path) -> None:
    for name in ("a.heic", "b.HEIF", "c.avif", "d.mp4"):
        (tmp_path / name).write_bytes(HEIC)
    assert [path.name for path in find_images(tmp_path).images] == ["a.heic", "b.HEIF", "c.avif"]
