"""That the pictures of a film's frames are upright, of square pixels, and of the right colours."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.runtimes.video.films import RATE, count_up, require_av, take, write_film


# Matrices of a track header: where pixel (x, y) of a picture of width w and height h is shown,
# as (a, b, c, d) of x' = ax + cy, y' = bx + dy (QuickTime File Format, "Matrices").
@pytest.mark.parametrize(
    "matrix", [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)], ids=str
)
def test_a_film_is_turned_as_its_header_says(
    matrix: tuple[int, int, int, int], tmp_path: Path
) -> None:
    width = 64
    height = 48
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[:16, :16] = (230, 40, 40)
    path = write_film(tmp_path / "a.mp4", [picture] * 3)
    data = path.read_bytes()
    place = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # version 0: times, layer and volume
    a, b, c, d = (value << 16 for value in matrix)
    assert data[place : place + 36] == struct.pack(
        ">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30
    )
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:place] + turned + data[place + 36 :])

    ((_, shown),), _ = take(path)
    a, b, c, d = matrix
    across = [a * x + c * y for x in (0, width) for y in (0, height)]
    down = [b * x + d * y for x in (0, width) for y in (0, height)]
    assert shown.size == (max(across) - min(across), max(down) - min(down))
    x = a * 8 + c * 8 - min(across)  # the middle of the red square
    y = b * 8 + d * 8 - min(down)
    pixels = np.asarray(shown).astype(int)
    reddest = np.unravel_index((pixels[..., 0] - pixels[..., 1]).argmax(), pixels.shape[:2])
    assert abs(reddest[0] - y) <= 9 and abs(reddest[1] - x) <= 9
    np.testing.assert_allclose(pixels[y, x], (230, 40, 40), atol=12)


def test_pixels_that_are_not_square_become_so(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mkv", count_up(3, (96, 72)), aspect=Fraction(4, 3))
    ((_, shown),), _ = take(path)
    assert shown.size == (128, 72)


def write_flat(
    path: Path, colour: Sequence[int], height: int, kr: float, kb: float, tag: int | None
) -> None:
    """One colour, as Y'CbCr of limited range by the formula of ITU-T H.273 with Kr and Kb."""
    av = require_av()
    red, green, blue = (value / 255 for value in colour)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    parts = (
        16 + 219 * luma,
        128 + 112 * (blue - luma) / (1 - kb),
        128 + 112 * (red - luma) / (1 - kr),
    )
    width = height * 4 // 3
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        if tag is not None:
            stream.codec_context.colorspace = tag
        planes = np.stack([np.full((height, width), round(part), np.uint8) for part in parts])
        frame = av.VideoFrame.from_ndarray(planes, format="yuv444p", channel_last=False)
        if tag is not None:
            frame.colorspace = tag
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("height", "kr", "kb", "tag"),
    [
        (240, 0.299, 0.114, None),  # BT.601
        (240, 0.299, 0.114, 6),
        (720, 0.2126, 0.0722, None),  # BT.709
        (240, 0.2126, 0.0722, 1),
        (720, 0.299, 0.114, 6),
        (240, 0.2627, 0.0593, 9),  # BT.2020
    ],
)
def test_colours(height: int, kr: float, kb: float, tag: int | None, tmp_path: Path) -> None:
    colour = (200, 40, 90)
    write_flat(tmp_path / "a.mkv", colour, height, kr, kb, tag)
    ((_, shown),), _ = take(tmp_path / "a.mkv")
    np.testing.assert_allclose(np.asarray(shown)[9, 9].astype(int), colour, atol=3)
