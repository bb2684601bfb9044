"""Which frames of a film are taken, and that they are its own: times, leaps, turning, colours."""

from __future__ import annotations

import math
import struct
import sys
import tracemalloc
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gazeclip.errors import ConfigError, ImageError
from runtimes.video import open as opening
from runtimes.video.open import open_film
from runtimes.video.sample import Sampler, Sampling
from runtimes.video.seek import find_leap
from tests.runtimes.video.films import RATE, count_up, read_number, require_av, write_film

FILMS = [
    ("a.mp4", "libx264"),
    ("a.mkv", "libx264"),
    ("a.ts", "libx264"),
    ("a.webm", "libvpx-vp9"),
    ("a.avi", "mpeg4"),
    ("a.mp4", "mpeg4"),
    ("a.mpg", "mpeg2video"),
]


def take(
    path: Path, every_s: float = 1.0, most: int = 60, threads: int = 1
) -> tuple[list[tuple[float, Image.Image]], Sampler]:
    with open_film(path, threads) as film:
        sampler = Sampler(film, Sampling(every_s, most))
        return list(sampler.take()), sampler


def decode_all(path: Path) -> list[tuple[float, np.ndarray]]:
    """Time and pixels of every frame, one after the other: what leaping must not change."""
    av = require_av()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        start = float((stream.start_time or 0) * stream.time_base)
        frames = [(f.time - start, f.to_ndarray(format="rgb24")) for f in container.decode(stream)]
    return frames


@pytest.mark.parametrize(("name", "codec"), FILMS)
@pytest.mark.parametrize("every_s", [0.04, 0.7, 1.0, 2.5])
def test_frames_are_the_first_at_or_after_each_multiple(
    name: str, codec: str, every_s: float, tmp_path: Path
) -> None:
    path = write_film(tmp_path / name, count_up(100), codec, rate=25, key_every=25)
    frames = decode_all(path)
    expected = []
    for number in range(1000):
        later = [entry for entry in frames if entry[0] >= number * every_s - 0.0005]
        if later and (not expected or later[0][0] > expected[-1][0]):
            expected.append(later[0])
    shots, sampler = take(path, every_s, most=200)
    assert [time_s for time_s, _ in shots] == pytest.approx([time_s for time_s, _ in expected])
    for (_, picture), (_, pixels) in zip(shots, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(picture), pixels)
    assert sampler.describe() == () and sampler.damaged == 0


def test_numbers_that_were_drawn_come_out_at_their_times(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", count_up(60))
    shots, _ = take(path, every_s=0.5)
    assert [read_number(picture) for _, picture in shots] == list(range(0, 60, 5))
    assert [time_s for time_s, _ in shots] == pytest.approx([n / RATE for n in range(0, 60, 5)])


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Times of the frames that are decoded, as they are."""
    times: list[float] = []
    find_time = Sampler._find_time

    def note(self: Sampler, frame: Any) -> float:
        times.append(find_time(self, frame))
        return times[-1]

    monkeypatch.setattr(Sampler, "_find_time", note)
    return times


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_key_frames_spare_decoding(name: str, tmp_path: Path, decoded: list[float]) -> None:
    path = write_film(tmp_path / name, count_up(100), key_every=10)
    shots, _ = take(path, every_s=4.0)
    assert [read_number(picture) for _, picture in shots] == [0, 40, 80]
    assert len(decoded) <= 1 + 2 * (10 + 1)  # from the key frame before, in which nothing is wanted


def test_frames_that_no_other_needs_are_not_decoded(tmp_path: Path, decoded: list[float]) -> None:
    path = write_film(tmp_path / "a.mp4", count_up(100), key_every=200)
    shots, _ = take(path, every_s=4.0)
    assert [read_number(picture) for _, picture in shots] == [0, 40, 80]
    assert len(decoded) < 60  # of three frames at least one is needed by none


def test_a_long_film_is_looked_at_as_a_whole(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", count_up(100))
    shots, sampler = take(path, every_s=1.0, most=4)
    assert [read_number(picture) for _, picture in shots] == [0, 25, 50, 75]
    assert sampler.every_s == pytest.approx(2.5)
    assert sampler.describe() == ("4 frames, one every 2.5 s (--max-frames)",)
    shots, sampler = take(path, every_s=1.0, most=10)
    assert len(shots) == 10 and sampler.describe() == ()


def test_a_film_of_unknown_length_is_looked_at_from_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_film(tmp_path / "a.webm", count_up(50), "libvpx-vp9")
    monkeypatch.setattr(opening, "_find_duration", lambda *_: None)
    shots, sampler = take(path, every_s=1.0, most=3)
    assert [read_number(picture) for _, picture in shots] == [0, 10, 20]
    (told,) = sampler.describe()
    assert told == "of unknown length; only its first 3 frames are judged (--max-frames)"


@pytest.mark.parametrize(("name", "codec"), FILMS)
def test_a_film_of_one_frame(name: str, codec: str, tmp_path: Path) -> None:
    path = write_film(tmp_path / name, count_up(1), codec, rate=25)
    ((time_s, picture),), sampler = take(path)
    assert time_s == pytest.approx(0.0, abs=0.001) and picture.size == (160, 120)
    assert sampler.describe() == ()


def test_frames_at_uneven_times(tmp_path: Path) -> None:
    times = [0, 1, 2, 37, 38, 39, 90]  # tenths of a second
    path = write_film(tmp_path / "a.mkv", count_up(len(times)), times=times)
    shots, _ = take(path, every_s=1.0)
    assert [time_s for time_s, _ in shots] == pytest.approx([0.0, 3.7, 9.0], abs=0.001)
    assert [read_number(picture) for _, picture in shots] == [0, 3, 6]


@pytest.mark.parametrize(
    ("every_s", "most"), [(0.0, 5), (-1.0, 5), (math.nan, 5), (math.inf, 5), (1.0, 0)]
)
def test_samplings_that_are_none(every_s: float, most: int) -> None:
    with pytest.raises(ConfigError):
        Sampling(every_s, most)


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


@pytest.mark.parametrize("threads", [1, 2])
def test_damaged_packets_are_left_out_and_told(threads: int, tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", count_up(60), key_every=10)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = np.random.default_rng(1).bytes(9000)
    path.write_bytes(data)
    shots, sampler = take(path, every_s=0.1, threads=threads)
    assert sampler.damaged > 0
    assert sampler.describe() == (f"damaged: {sampler.damaged} of its packets cannot be decoded",)
    numbers = [read_number(picture) for _, picture in shots]
    assert numbers == [round(time_s * RATE) for time_s, _ in shots]
    left_out = set(range(60)) - set(numbers)
    assert left_out and max(left_out) % 10 == 9  # up to the next key frame


@pytest.mark.parametrize("share", [0.35, 0.6])
@pytest.mark.parametrize("name", ["a.mkv", "a.ts"])
def test_a_film_that_was_cut_off(name: str, share: float, tmp_path: Path) -> None:
    path = write_film(tmp_path / name, count_up(100), key_every=10)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    shots, sampler = take(path, every_s=1.0)
    assert 2 <= len(shots) <= 7
    assert [read_number(picture) for _, picture in shots] == [10 * n for n in range(len(shots))]
    if name == "a.mkv":  # a transport stream does not say how long it is
        (told,) = sampler.describe()
        assert told == f"no frame from {len(shots)}.0 s on, of 10.0 s: cut off, or longer sound"


@pytest.mark.parametrize("kind", ["empty", "text", "head", "half", "sound", "cover", "codec"])
def test_what_is_no_film_is_told_in_one_line(kind: str, tmp_path: Path) -> None:
    av = require_av()
    path = write_film(tmp_path / "a.mp4", count_up(20))
    data = path.read_bytes()
    if kind in ("sound", "cover"):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=16000)
            if kind == "cover":
                cover = container.add_stream("mjpeg", rate=1)
                cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
                cover.disposition = av.stream.Disposition.attached_pic
            samples = np.zeros((1, 16000), np.float32)
            sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            sound.rate = 16000
            container.mux(stream.encode(sound))
            container.mux(stream.encode())
            if kind == "cover":
                black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
                container.mux(cover.encode(black.reformat(format="yuvj420p")))
                container.mux(cover.encode())
    elif kind == "codec":
        path = write_film(tmp_path / "a.avi", count_up(20), "wmv2")
    else:
        contents = {"empty": b"", "text": b"no film" * 99, "head": data[:40], "half": data[:-2000]}
        path.write_bytes(contents[kind])
    with pytest.raises(ImageError) as caught:
        take(path)
    expected = {
        "empty": "is empty",
        "text": "is not a film that can be read",
        "head": "is damaged or cut off",
        "half": "is damaged or cut off",
        "sound": "has no pictures",
        "cover": "has no pictures",
        "codec": "which is not read",
    }
    assert expected[kind] in caught.value.message and caught.value.remedy
    assert "\n" not in str(caught.value) and caught.value.message.startswith(str(path))


def test_too_many_pixels_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_film(tmp_path / "a.mp4", count_up(3))
    monkeypatch.setattr(opening, "MAX_PIXELS", 160 * 120 - 1)
    with pytest.raises(ImageError, match="160 x 120 pixels"):
        take(path)


def test_without_the_package_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_film(tmp_path / "a.mp4", count_up(3))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImageError) as caught:
        take(path)
    assert caught.value.message == f"{path} is a film, and 'av' is not installed"
    assert "[video]" in str(caught.value.remedy)


def test_memory_does_not_grow_with_the_film(tmp_path: Path) -> None:
    def measure(number: int) -> int:
        path = write_film(tmp_path / f"{number}.mp4", count_up(number, (320, 240)))
        tracemalloc.start()
        with open_film(path, 1) as film:
            for shot in Sampler(film, Sampling(0.1, number)).take():
                assert shot.picture.size == (320, 240)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    frame = 320 * 240 * 3
    measure(5)  # what is imported and cached the first time
    assert measure(100) < measure(20) + 2 * frame


def test_leaps_are_made_where_a_key_frame_lies_between() -> None:
    keys = [0.0, 2.0, 4.0, 6.0]
    assert find_leap(keys, 0.0, 5.0) == 4.5
    assert find_leap(keys, 4.5, 5.0) is None  # behind us already
    assert find_leap(keys, 1.0, 4.2) == 3.7  # to the one before: the next is too near to be sure
    assert find_leap(keys, 1.0, 1.9) is None
    assert find_leap([], 0.0, 9.0) is None
