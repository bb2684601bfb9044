"""HEIC through its extra, AVIF through Pillow: frames, colours, cut files, and no extra."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from gazeclip.errors import ImageError
from gazeclip.images.file_kind import recognise
from gazeclip.images.preprocess import (
    PixelContract,
    decode_frames,
    decode_image,
    load_image,
)
from gazeclip.images.walk import find_images

# 64 x 48 pixels in Display P3 (gamma 2.2): the left half (20, 200, 60), the right (200, 40, 90).
# EXIF says that it lies on its side, which HEIC leaves to boxes of its own.
# Written by pillow-heif 1.8.1 with x265 at quality 60.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAA59tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAADRpbG9jAAAAAERAAAIAAQAAAAADwwABAAAAAAAAAHQAAgAAAAAENwABAAAAAAAAACQAAAA4aWluZgAAAAAA"
    "AgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAAC3mlwcnAAAAK+"
    "aXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAq"
    "QgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAH0Y29scnByb2YAAAHo"
    "bGNtcwJAAABtbnRyUkdCIFhZWiAH6gABAAEAAAAAAABhY3NwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA9tYA"
    "AQAAAADTLQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAl3dHB0AAAA8AAA"
    "ABRjcHJ0AAABBAAAAA1kZXNjAAABFAAAAGVyWFlaAAABfAAAABRyVFJDAAABkAAAAA5nWFlaAAABoAAAABRnVFJDAAAB"
    "tAAAAA5iWFlaAAABxAAAABRiVFJDAAAB2AAAAA5YWVogAAAAAAAA9tYAAQAAAADTLXRleHQAAAAAbm9uZQAAAABkZXNj"
    "AAAAAAAAAAtEaXNwbGF5IFAzAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAFhZWiAAAAAAAACD3wAAPb////+7Y3VydgAAAAAAAAABAjMAAFhZ"
    "WiAAAAAAAABKvwAAsTcAAAq5Y3VydgAAAAAAAAABAjMAAFhZWiAAAAAAAAAoOAAAEQsAAMi5Y3VydgAAAAAAAAABAjMA"
    "AAAAABRpc3BlAAAAAAAAAEAAAABAAAAAKGNsYXAAAABAAAAAAQAAADAAAAABAAAAAAAAAAL////wAAAAAgAAABBwaXhp"
    "AAAAAAMICAgAAAAYaXBtYQAAAAAAAAABAAEFgQIDBYQAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAKBtZGF0AAAA"
    "cCgBrwngOSMkvr9u///6Dm//9eepwX/+O719+dQzf/KoPURjWLKbmEqi/RgQHQznFWIxzHTNH0z73sXuzXXzu++6BHXk"
    "bCK2FbjT8ZC4a9DzuoExRBV1XfblXvTST0EdXPUrqcwm/NU0MdH7AXZdSFgAAAAGRXhpZgAATU0AKgAAAAgAAQESAAMA"
    "AAABAAYAAAAAAAA="
)
# Two pictures, blue and red, of which the second is the one to be shown.
SECOND_SHOWN = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAaxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAADRpbG9jAAAAAERAAAIAAQAAAAAB0AABAAAAAAAAAB4AAgAAAAAB7gABAAAAAAAAAB8AAAA4aWluZgAAAAAA"
    "AgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAAACAABodmMxAAAAAA5waXRtAAAAAAACAAABBWlwcnAAAADd"
    "aXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAq"
    "QgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQAN"
    "AAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBp"
    "eGkAAAAAAwgICAAAACBpcG1hAAAAAAAAAAIAAQWBAgMFhAACBYECAwWEAAAARW1kYXQAAAAaKAGvCeA5IyS///1Y797/"
    "jAZ//2g2rVjqdz8AAAAbKAGvCeA98yL///I/N//8sM7L+8XEfqf/Oi+A"
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
    image, frames, note, *_ = decode_image(path)
    assert image.size == (64, 48) and frames == 1
    assert note == "colours converted from 'Display P3' to sRGB"
    # Worked out with the primaries of Display P3 and sRGB; what lies outside sRGB is cut off.
    pixels = np.asarray(image).astype(int)
    np.testing.assert_allclose(pixels[24, 8], [0, 205, 0], atol=6)
    np.testing.assert_allclose(pixels[24, 56], [221, 0, 88], atol=6)
    assert PixelContract(32).apply(HEIC).shape == (32, 32, 3)


def test_metadata_that_ends_the_process_in_other_hands() -> None:
    pytest.importorskip("pi_heif")
    assert HEIC.count(b"Exif\0") >= 1
    damaged = HEIC.replace(b"Exif\0", b"Ex\xfff\0", 1)  # the type of an item, no UTF-8 any more
    code = (
        "import sys; from gazeclip.images.preprocess import load_image; "
        "print(load_image(sys.stdin.buffer).size)"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], input=damaged, capture_output=True, cwd=root, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, b"(64, 48)"), done.stderr


def test_heic_begins_with_the_picture_that_is_to_be_shown() -> None:
    pytest.importorskip("pi_heif")
    decoded = list(decode_frames(SECOND_SHOWN, None))
    assert [(frame.frame, frame.frames) for frame in decoded] == [(2, 2), (1, 2)]
    for frame, colour in zip(decoded, ((255, 0, 0), (0, 0, 255)), strict=True):
        np.testing.assert_allclose(np.asarray(frame.image)[24, 32], colour, atol=4)
    assert decode_image(SECOND_SHOWN).frame == 2


def test_avif_is_read() -> None:
    image, frames, note, *_ = decode_image(make_avif())
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
