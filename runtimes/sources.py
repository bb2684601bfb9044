"""What a source gives the model to judge: the whole image, or the faces in it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from gazeclip.errors import ImageError
from gazeclip.images.crop_rule import CropRule
from gazeclip.images.preprocess import DecodedImage, PixelContract, decode_frames
from gazeclip.images.source import ImageSource, name_source
from runtimes.faces.box import FaceBox
from runtimes.faces.crop import choose_rule, round_half_up
from runtimes.faces.detect import LOOK_SIDE, FaceDetector
from runtimes.faces.search import search_faces
from runtimes.faces.usable import NO_FACE, describe_obstacle
from runtimes.verdict import Face

Picture = TypeVar("Picture")


class Decoded(NamedTuple):
    """One thing to judge: its pixels `(S, S, 3)`, or why there are none.

    Attributes:
        number: of its source, from 0.
        timings_ms: what was done for it; of several faces each has its share.
        face: None where the whole image is judged.
    """

    number: int
    name: str
    image: np.ndarray | ImageError
    timings_ms: dict[str, float]
    frame: int = 1
    frames: int = 1
    note: str | None = None
    face: Face | None = None


class Reader(Protocol):
    """Makes of one source what is to be judged: at least one `Decoded`."""

    def read(self, source: ImageSource, number: int, frames: int | None) -> Iterator[Decoded]:
        """The things to judge in a source's first `frames` frames (None: all), in order.

        An `ImageError` stands in for what is none; after a frame that cannot be read comes no more.
        """

    def read_photo(
        self, photo: DecodedImage, number: int, name: str, decode_ms: float
    ) -> Iterator[Decoded]:
        """The same of a picture that is decoded already, upright and RGB."""


class WholeReader:
    """The whole image is the crop."""

    def __init__(self, contract: PixelContract) -> None:
        self.contract = contract

    def read(self, source: ImageSource, number: int, frames: int | None) -> Iterator[Decoded]:
        """One image for each frame."""
        name = name_source(source, f"image {number}")
        for pixels, decode_ms in _measure_each(self.contract.read_frames(source, frames)):
            timings_ms = {"decode": decode_ms}
            if isinstance(pixels, ImageError):
                yield Decoded(number, name, pixels, timings_ms)
                return
            told = (pixels.frame, pixels.frames, pixels.note)
            yield Decoded(number, name, pixels.array, timings_ms, *told)

    def read_photo(
        self, photo: DecodedImage, number: int, name: str, decode_ms: float
    ) -> Iterator[Decoded]:
        """One image."""
        started = time.perf_counter()
        pixels = self.contract.apply(np.asarray(photo.image))
        timings_ms = {"decode": decode_ms + _measure_ms(started)}
        yield Decoded(number, name, pixels, timings_ms, photo.frame, photo.frames, photo.note)


class FaceReader:
    """Each usable face of a photograph is cut out, as if its crop had been brought as a file."""

    def __init__(
        self, contract: PixelContract, detector: FaceDetector, stated: CropRule | None
    ) -> None:
        """`stated` is what the bundle says of how its training images were cut."""
        self.contract = contract
        self.detector = detector
        self.rule = choose_rule(stated)

    def read(self, source: ImageSource, number: int, frames: int | None) -> Iterator[Decoded]:
        """Of each frame one image for each usable face, the largest first.

        Or the `FaceError` that says why there is none.
        """
        name = name_source(source, f"image {number}")
        for photo, decode_ms in _measure_each(decode_frames(source, frames, look_side=LOOK_SIDE)):
            if isinstance(photo, ImageError):
                yield Decoded(number, name, photo, {"decode": decode_ms})
                return
            yield from self.read_photo(photo, number, name, decode_ms)

    def read_photo(
        self, photo: DecodedImage, number: int, name: str, decode_ms: float
    ) -> Iterator[Decoded]:
        """One image for each usable face, or the `FaceError`."""
        try:
            found = search_faces(photo, self.detector, self.rule, self.contract.size)
        except ImageError as error:
            yield Decoded(number, name, error, {"decode": decode_ms})
            return
        told = (photo.frame, photo.frames, photo.note)
        decode_ms += found.decode_ms
        obstacles = tuple(found.obstacles)
        boxes = tuple(_round_box(face) for face in found.unjudged)
        if not found.usable:
            label = name if photo.frame == 1 else f"{name}, frame {photo.frame}"
            reason = describe_obstacle(label, found.obstacles[0] if found.obstacles else NO_FACE)
            reason.frame = photo.frame
            reason.frames = photo.frames
            reason.note = photo.note
            reason.faces = tuple(zip(obstacles, boxes, strict=True))
            timings_ms = {"decode": decode_ms, "detect": found.detect_ms}
            yield Decoded(number, name, reason, timings_ms, *told)
        share = max(1, len(found.usable))
        for place, (face, crop, cut) in enumerate(found.usable, start=1):
            # an array: what else the image carries has been heeded and must not be so again
            pixels = self.contract.apply(np.asarray(cut))
            about = Face(place, _round_box(face), tuple(crop), face.score, obstacles, boxes)
            timings_ms = {"decode": decode_ms / share, "detect": found.detect_ms / share}
            yield Decoded(number, name, pixels, timings_ms, *told, about)


def _round_box(face: FaceBox) -> tuple[int, ...]:
    return tuple(round_half_up(value) for value in face.box)


def read_sources(
    reader: Reader, sources: Iterable[tuple[int, ImageSource]], frames: int | None
) -> Iterator[Decoded]:
    """What `reader` makes of each numbered source in order; each is read when it is due."""
    for number, source in sources:
        yield from reader.read(source, number, frames)


def _measure_each(pictures: Iterator[Picture]) -> Iterator[tuple[Picture | ImageError, float]]:
    """Each picture and the milliseconds until it was there; the last may be an `ImageError`."""
    while True:
        started = time.perf_counter()
        try:
            picture = next(pictures)
        except StopIteration:
            return
        except ImageError as error:
            yield error, _measure_ms(started)
            return
        yield picture, _measure_ms(started)


def _measure_ms(started: float) -> float:
    return (time.perf_counter() - started) * 1e3
