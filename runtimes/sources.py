"""What a source gives the model to judge: the whole image, or the faces in it."""

from __future__ import annotations

import os
import time
from typing import NamedTuple, Protocol

import numpy as np

from gazeclip.errors import ImageError
from gazeclip.images.preprocess import DecodedImage, PixelContract, decode_image
from gazeclip.images.source import ImageSource
from runtimes.faces.blur import is_blurred
from runtimes.faces.box import FaceBox
from runtimes.faces.crop import Crop, cut_square, round_half_up
from runtimes.faces.detect import FaceDetector
from runtimes.faces.usable import BLURRED, NO_FACE, describe_obstacle, find_obstacle
from runtimes.verdict import Face

WHOLE = "whole"
FACE = "face"
CROPS = (WHOLE, FACE)


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
    frames: int = 1
    note: str | None = None
    face: Face | None = None


class Reader(Protocol):
    """Makes of one source what is to be judged: at least one `Decoded`."""

    def read(self, source: ImageSource, number: int) -> list[Decoded]:
        """The source's things to judge, in order; an `ImageError` stands in for what is none."""


class WholeReader:
    """The whole image is the crop."""

    def __init__(self, contract: PixelContract) -> None:
        self.contract = contract

    def read(self, source: ImageSource, number: int) -> list[Decoded]:
        """One image of one source."""
        name = _name_source(source, number)
        started = time.perf_counter()
        frames = 1
        note = None
        try:
            image: np.ndarray | ImageError
            image, frames, note = self.contract.read(source)
        except ImageError as error:
            image = error
        return [Decoded(number, name, image, {"decode": _measure_ms(started)}, frames, note)]


class FaceReader:
    """Each usable face of a photograph is cut out, as if its crop had been brought as a file."""

    def __init__(self, contract: PixelContract, detector: FaceDetector) -> None:
        self.contract = contract
        self.detector = detector

    def read(self, source: ImageSource, number: int) -> list[Decoded]:
        """One image for each usable face, the largest first, or the `FaceError` that says why."""
        name = _name_source(source, number)
        started = time.perf_counter()
        try:
            photo = decode_image(source)
        except ImageError as error:
            return [Decoded(number, name, error, {"decode": _measure_ms(started)})]
        decode_ms = _measure_ms(started)
        started = time.perf_counter()
        usable, obstacles = self._sort_faces(photo)
        detect_ms = _measure_ms(started)
        if not usable:
            reason = describe_obstacle(name, obstacles[0] if obstacles else NO_FACE)
            timings_ms = {"decode": decode_ms, "detect": detect_ms}
            return [Decoded(number, name, reason, timings_ms, photo.frames, photo.note)]
        decoded = []
        for place, (found, crop) in enumerate(usable, start=1):
            # an array: what else the image carries has been heeded and must not be so again
            pixels = self.contract.apply(np.asarray(photo.image.crop(crop)))
            box = tuple(round_half_up(value) for value in found.box)
            face = Face(place, box, tuple(crop), found.score, tuple(obstacles))
            timings_ms = {"decode": decode_ms / len(usable), "detect": detect_ms / len(usable)}
            decoded.append(
                Decoded(number, name, pixels, timings_ms, photo.frames, photo.note, face)
            )
        return decoded

    def _sort_faces(self, photo: DecodedImage) -> tuple[list[tuple[FaceBox, Crop]], list[str]]:
        """The faces that can be judged with their crops, and what is wrong with the others."""
        usable = []
        obstacles = []
        for face in self.detector.find(photo.image):
            crop = cut_square(face, *photo.image.size)
            obstacle = find_obstacle(face, crop, photo.image.size, self.contract.size)
            if obstacle is None and is_blurred(photo.image.crop(crop)):
                obstacle = BLURRED
            if obstacle is None:
                usable.append((face, crop))
            else:
                obstacles.append(obstacle)
        return usable, obstacles


def _name_source(source: ImageSource, number: int) -> str:
    return str(source) if isinstance(source, str | os.PathLike) else f"image {number}"


def _measure_ms(started: float) -> float:
    return (time.perf_counter() - started) * 1e3
