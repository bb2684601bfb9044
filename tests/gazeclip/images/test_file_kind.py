"""Which files are opened: promised formats, no helper program, frames counted, any wrapping."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gazeclip.errors import ImageError
from gazeclip.images.formats import FORMATS
from gazeclip.images.preprocess import PixelContract, decode_image, load_image

FRAMES = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue")]
EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 40 30
%%EndComments
newpath 0 0 40 30 rectfill
showpage
%%EOF
"""


def encoded(kind: str, frames: list[Image.Image], **options: object) -> bytes:
    buffer = io.BytesIO()
    first, *others = [frame.copy() for frame in frames]  # Pillow notes a format's options in them
    more = {"save_all": True, "append_images": others} if others else {}
    first.save(buffer, kind, **more, **options)
    return buffer.getvalue()


def test_no_helper_program_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = tmp_path / "started"
    for name in ("gs", "gswin64c", "gswin32c"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho \"$0 $@\" >> '{started}'\necho 9.99\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(EPS)
    with pytest.raises(ImageError, match=r"photo\.jpg is of type EPS, which is not read"):
        load_image(photo)
    with pytest.raises(ImageError, match="EPS"):
        load_image(Image.open(photo))
    assert not started.exists()


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("GIF", encoded("GIF", FRAMES)),
        ("MP4", b"\0\0\0\x1cftypisom\0\0\2\0isomiso2mp41"),
        ("PDF", encoded("PDF", FRAMES)),
        ("AppleDouble", b"\0\5\x16\7\0\2\0\0Mac OS X        "),
        ("ICO", encoded("ICO", FRAMES[:1])),
        ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("HTML", b"<!DOCTYPE html><title>404</title>"),
    ],
)
def test_other_formats_are_refused_by_name(kind: str, data: bytes, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(data)
    with pytest.raises(ImageError, match=f"photo.jpg is of type {kind}, which") as caught:
        load_image(photo)
    assert caught.value.remedy == "Use JPEG, PNG, WebP, BMP, TIFF, HEIC or AVIF"


@pytest.mark.parametrize("kind", ["PPM", "TGA", "PCX", "SGI", "MSP"])
def test_formats_nobody_promised_reach_no_parser(kind: str) -> None:
    frame = FRAMES[0].convert("1") if kind == "MSP" else FRAMES[0]
    with pytest.raises(ImageError, match="not an image that can be read"):
        load_image(encoded(kind, [frame]))


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "HEIC"])  # Pillow writes none
def test_promised_formats_are_read_whatever_their_names(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.dat"
    path.write_bytes(encoded(kind, FRAMES[:1]))
    image, frames, *_ = decode_image(path)
    assert image.size == (40, 30) and frames == 1
    np.testing.assert_allclose(np.asarray(image)[5, 5], [255, 0, 0], atol=4)


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "PNG", "MPO"])
def test_frames_are_counted_and_the_first_is_taken(kind: str) -> None:
    pixels = PixelContract(32).read(encoded(kind, FRAMES))
    assert pixels.frames == 3
    np.testing.assert_allclose(pixels.array[16, 16], [255, 0, 0], atol=4)


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "PNG", "MPO"])
def test_frames_of_an_opened_picture_are_those_of_its_file(kind: str) -> None:
    data = encoded(kind, FRAMES)
    pixels = PixelContract(32).read(Image.open(io.BytesIO(data)))
    assert pixels.frames == 3
    np.testing.assert_array_equal(pixels.array, PixelContract(32).apply(data))


def test_a_picture_whose_file_was_closed_has_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(encoded("TIFF", FRAMES))
    with Image.open(path) as image:
        image.load()
    assert PixelContract(32).read(image).frames == 1
    plain = Image.open(io.BytesIO(encoded("TIFF", FRAMES[:1])))
    plain.load()
    assert PixelContract(32).read(plain).frames == 1


def test_encoded_bytes_in_every_wrapping(tmp_path: Path) -> None:
    data = encoded("PNG", FRAMES[:1])
    path = tmp_path / "face.png"
    path.write_bytes(data)
    at_the_end = io.BytesIO(data)
    at_the_end.seek(0, io.SEEK_END)
    read_end, write_end = os.pipe()
    os.write(write_end, data)
    os.close(write_end)
    with path.open("rb") as file, os.fdopen(read_end, "rb") as pipe:
        streams = [io.BytesIO(data), at_the_end, file, pipe]
        for source in (data, bytearray(data), memoryview(data), *streams):
            np.testing.assert_array_equal(np.asarray(load_image(source)), np.asarray(FRAMES[0]))
        assert not file.closed  # it is the caller's


def test_file_objects_that_give_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(encoded("PNG", FRAMES[:1]))
    closed = io.BytesIO(path.read_bytes())
    closed.close()
    sources: list[Any] = [io.StringIO("text"), closed, path.open("ab")]
    for source in sources:
        with pytest.raises(ImageError, match="file object") as caught:
            load_image(source)
        assert caught.value.remedy == "Open it with mode 'rb'"
    sources[-1].close()


@pytest.mark.parametrize(
    ("source", "words"),
    [(5, "an int"), (None, "a NoneType"), ({}, "a dict"), (0.5, "a float"), ([], "a list")],
)
def test_what_is_no_image_is_refused_by_type(source: Any, words: str) -> None:
    with pytest.raises(ImageError) as caught:
        load_image(source)
    kinds = "a path, encoded bytes, a file object, a PIL image or a uint8 array"
    assert str(caught.value) == f"cannot judge {words}. Give {kinds}"


def test_the_callers_picture_is_left_as_it_is() -> None:
    large = Image.open(io.BytesIO(encoded("JPEG", [FRAMES[0].resize((1600, 1200))])))
    PixelContract(32).apply(large)
    assert large.size == (1600, 1200)


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(encoded("PNG", FRAMES[:1]))

    def refuse(*_: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read anything
    with pytest.raises(ImageError, match=r"face\.png cannot be read \(Permission denied\)"):
        load_image(path)
