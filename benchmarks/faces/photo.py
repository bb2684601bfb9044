"""What each step from a 12-megapixel JPEG to a verdict costs, on one thread."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from benchmarks.faces.scenes import draw_background, draw_crop, paste_crops
from gazeclip.errors import ConfigError
from gazeclip.images.preprocess import DecodedImage, decode_frames
from runtimes import Verifier
from runtimes.faces.crop import choose_rule
from runtimes.faces.detect import LOOK_SIDE, FaceDetector
from runtimes.faces.search import search_faces

SIZE = (4032, 3024)
STAGES = ("decode", "decode again", "detect, cut", "scale", "infer")
Result = TypeVar("Result")


@dataclass
class Stages:
    """Milliseconds of the processor by stage, one value a round; and of the clock in all."""

    cpu_ms: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in (*STAGES, "all")}
    )
    wall_ms: list[float] = field(default_factory=list)
    reduced_by: tuple[int, ...] = ()


def draw_photo(side: int, seed: int = 0) -> bytes:
    """A JPEG of 4032 x 3024 with one drawn face whose crop has this side."""
    picture = draw_background(np.random.default_rng(seed), *SIZE)
    scene = paste_crops(picture, [draw_crop(seed)], [side], seed)
    file = io.BytesIO()
    scene.picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def measure_stages(verifier: Verifier, data: bytes, rounds: int) -> Stages:
    """Judge the one face of a JPEG many times, the first of them as a warm-up.

    Raises:
        ConfigError: no face was found, or one that cannot be judged.
    """
    detector = FaceDetector(threads=1, wish=verifier.engine.name)
    stages = Stages()
    for number in range(rounds + 1):
        spent = dict.fromkeys(STAGES, 0.0)
        decoded: list[int] = []
        started = time.perf_counter()
        began = time.process_time()
        _judge_once(verifier, detector, data, spent, decoded)
        if number == 0:
            stages.reduced_by = tuple(decoded)
            continue
        stages.wall_ms.append((time.perf_counter() - started) * 1e3)
        stages.cpu_ms["all"].append((time.process_time() - began) * 1e3)
        for name, value in spent.items():
            stages.cpu_ms[name].append(value)
    return stages


def _judge_once(
    verifier: Verifier,
    detector: FaceDetector,
    data: bytes,
    spent: dict[str, float],
    decoded: list[int],
) -> None:
    bundle = verifier.bundle
    frames = decode_frames(data, 1, look_side=LOOK_SIDE)
    photo = _clock(spent, "decode", lambda: next(frames))
    _note_fraction(photo, decoded)
    watched = photo
    if (again := photo.decode_again) is not None:

        def decode_again(by: int, needed: tuple[int, int, int, int]) -> DecodedImage:
            larger = _clock(spent, "decode again", lambda: again(by, needed))
            _note_fraction(larger, decoded)
            return larger

        watched = photo._replace(decode_again=decode_again)
    rule = choose_rule(bundle.crop)
    found = _clock(
        spent,
        "detect, cut",
        lambda: search_faces(watched, detector, rule, bundle.contract.size),
    )
    spent["detect, cut"] -= spent["decode again"]
    if len(found.usable) != 1:
        reasons = ", ".join(found.obstacles) or "none found"
        what = f"the picture has no face to judge ({reasons})"
        raise ConfigError(what, remedy="Take larger --sides")
    cut = np.asarray(found.usable[0].pixels)
    pixels = _clock(spent, "scale", lambda: bundle.contract.apply(cut))
    _clock(spent, "infer", lambda: verifier.infer(pixels[None]))


def _note_fraction(photo: DecodedImage, decoded: list[int]) -> None:
    decoded.append(1 if photo.reduced is None else photo.reduced.by)


def _clock(spent: dict[str, float], name: str, work: Callable[[], Result]) -> Result:
    began = time.process_time()
    result = work()
    spent[name] += (time.process_time() - began) * 1e3
    return result
