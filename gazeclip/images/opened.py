"""An image whose header was read: its frames in order, and which way is up."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps

from gazeclip.errors import ImageError
from gazeclip.images.formats import open_promised
from gazeclip.images.source import ImageSource, open_stream


class OpenImage(NamedTuple):
    """An image whose header was read; `kind` and `stream` are None where the caller opened it."""

    image: Image.Image
    frames: int
    kind: str | None
    stream: BinaryIO | None


def open_source(source: ImageSource, name: str, until_the_end: contextlib.ExitStack) -> OpenImage:
    """What a source is; its stream stays open until the end.

    Raises:
        ImageError: nothing that could be an image.
    """
    if isinstance(source, Image.Image | np.ndarray):
        image = _given_image(source, name)
        frames = _count_frames(image)
        if frames > 1:  # the caller's picture stays at its frame
            until_the_end.callback(image.seek, image.tell())
        return OpenImage(image, frames, None, None)
    stream = until_the_end.enter_context(open_stream(source, name))
    opened, kind = open_promised(stream, name)
    return OpenImage(opened, _count_frames(opened), kind, stream)


def order_frames(opened: OpenImage, limit: int | None) -> Iterator[int]:
    """Numbers from 0: the frame that the file shows first, then the others as they lie."""
    first = opened.image.tell() if opened.frames > 1 else 0
    others = (number for number in range(opened.frames) if number != first)
    return itertools.islice(itertools.chain([first], others), limit)


def _given_image(source: Image.Image | np.ndarray, name: str) -> Image.Image:
    if isinstance(source, Image.Image):
        # Decoding what Pillow opened as EPS would start Ghostscript.
        if source.format == "EPS":
            remedy = "Pass its RGB copy: image.convert('RGB')"
            raise ImageError(f"{name} is of type EPS, which is not read", remedy=remedy)
        return source
    if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
        what = f"array of {source.dtype} {source.shape} is not an image"
        raise ImageError(what, remedy="Pass uint8 RGB (H, W, 3)")
    return Image.fromarray(source)


def open_again(opened: OpenImage, name: str) -> Image.Image:
    """A JPEG from its beginning: one that was decoded at a fraction stays set to that."""
    if opened.stream is None:
        return opened.image
    opened.stream.seek(0)
    return open_promised(opened.stream, name)[0]


def read_orientation(image: Image.Image) -> int:
    """EXIF's number for how a loaded image is to be turned; 1: not at all."""
    value = image.getexif().get(ExifTags.Base.Orientation, 1)
    return value if isinstance(value, int) else 1


def turn_upright(image: Image.Image) -> Image.Image:
    """As EXIF says; the image itself where there is nothing to turn, because copies cost time."""
    image.load()  # PNG may have its EXIF behind its pixels
    if read_orientation(image) in range(2, 9):
        return ImageOps.exif_transpose(image)
    return image


def _count_frames(image: Image.Image) -> int:
    """How many frames the file of an image has; 1 where the caller closed it after decoding."""
    if getattr(image, "fp", None) is None:
        return 1
    return int(getattr(image, "n_frames", 1))
