"""Films for tests, written by PyAV; tests that need it are skipped without it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runtimes.video.open import open_film
from runtimes.video.sample import Sampler, Sampling
from tests.runtimes.faces.pictures import draw_face, make_picture

WHY = "NOT TESTED: films need PyAV (extra 'video')"
SIZE = (480, 360)
RATE = 10
BITS = 8
OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast", "bf": "2", "b_strategy": "0", "crf": "12"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "15", "b": "0"},
    "mpeg4": {"qscale": "3"},
}


def require_av() -> Any:
    return pytest.importorskip("av", reason=WHY)


def write_film(
    path: Path,
    pictures: Iterable[np.ndarray | Image.Image],
    codec: str = "libx264",
    rate: int = RATE,
    key_every: int = 12,
    rotation: int | None = None,
    times: Sequence[int] | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Pictures of one size as a film; `times` in units of 1 / rate, else one after the other."""
    av = require_av()
    arrays = [np.asarray(picture) for picture in pictures]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=OPTIONS.get(codec, {}))
        stream.height, stream.width = arrays[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = key_every
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for number, array in enumerate(arrays):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def count_up(number: int, size: tuple[int, int] = (160, 120)) -> list[np.ndarray]:
    """Pictures that tell their number in eight bars, white for 1: `read_number` reads it."""
    noise = np.random.default_rng(3).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    pictures = []
    for index in range(number):
        picture = np.roll(noise, 3 * index, axis=0)
        bars = [255 * (index >> bit & 1) for bit in range(BITS)]
        picture[: size[1] // 2] = np.repeat(bars, size[0] // BITS)[None, :, None]
        pictures.append(picture)
    return pictures


def read_number(picture: Image.Image) -> int:
    """Of a picture of `count_up`, as it comes out of a film."""
    height = picture.height // 4
    middles = (np.arange(BITS) * 2 + 1) * picture.width // (2 * BITS)
    bits = np.asarray(picture.convert("L"))[height, middles] > 127
    return int(bits @ (1 << np.arange(BITS)))


def take(
    path: Path, every_s: float = 1.0, most: int = 60, threads: int = 1
) -> tuple[list[tuple[float, Image.Image]], Sampler]:
    """Shots of a film by their times in seconds, and what took them."""
    with open_film(path, threads) as film:
        sampler = Sampler(film, Sampling(every_s, most))
        return list(sampler.take()), sampler


def draw_tinted_face(seed: int, side: int, red: bool) -> Image.Image:
    """A face that the network of the fixtures calls fake (`red`) or real."""
    face = np.asarray(draw_face(seed, side), np.float32)
    if not red:
        face = face[..., ::-1]  # skin is reddish
    share = np.array((255, 130, 70) if red else (120, 190, 255), np.float32) / 255
    return Image.fromarray((face * share).astype(np.uint8))


def paste_faces(faces: Sequence[tuple[Image.Image, tuple[int, int]]]) -> Image.Image:
    """A frame of `SIZE` with faces at their places."""
    picture = make_picture(*SIZE)
    for face, place in faces:
        picture.paste(face, place)
    return picture
