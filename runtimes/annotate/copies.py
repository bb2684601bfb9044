"""Annotated copies in a folder: whole or not at all, and never over a file that is there."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import stat
from collections.abc import Generator, Sequence
from pathlib import Path

from PIL import Image

from gazeclip.errors import FaceError, ImageError
from gazeclip.files.atomic import atomic_create
from gazeclip.images.preprocess import DecodedImage, decode_frames
from gazeclip.images.source import ImageSource, NamedBytes, open_stream
from runtimes.annotate.draw import draw_marks
from runtimes.annotate.marks import make_marks
from runtimes.verdict import Verdict

_QUALITY = 92
_MAX_JPEG_SIDE = 65_500  # pixels; what libjpeg writes
_LONGEST_STEM = 50  # letters; names of 255 bytes are what most file systems take
_DIGITS = 10


class Copies:
    """Draws what was said of pictures into copies of them.

    Pictures come in order: of a file with several frames one frame after the other.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        self._number: int | None = None  # of the source whose frames are read
        self._frames: Generator[DecodedImage, None, None] | None = None

    def save(
        self, number: int, name: str, source: ImageSource, outcomes: Sequence[Verdict | FaceError]
    ) -> Path:
        """Save a copy of one frame of a source with all that was said of it.

        Args:
            number: of the source, from 0.
            name: what results call it.

        Raises:
            ImageError: the picture cannot be read (again) or is too large to be decoded whole.
            ArtifactError: the folder cannot be written.
        """
        picture = self._read(number, source, outcomes[0].frame)
        drawn = draw_marks(picture.image, make_marks(outcomes))
        suffix = "" if picture.frames == 1 else f"-frame{picture.frame}"
        path = self._write(drawn, f"{_name_copy(name)}{suffix}")
        self.count += 1
        return path

    def close(self) -> None:
        """Let go of the file whose frames were read last."""
        if self._frames is not None:
            self._frames.close()
        self._frames = None
        self._number = None

    def _read(self, number: int, source: ImageSource, frame: int) -> DecodedImage:
        """A frame as it is seen: upright, in sRGB."""
        if number != self._number or self._frames is None:
            self.close()
            self._frames = decode_frames(source, None)
            self._number = number
        for picture in self._frames:
            if picture.frame == frame:
                return picture
        raise ImageError(f"frame {frame} is not there any more", remedy="Judge the image again")

    def _write(self, image: Image.Image, stem: str) -> Path:
        is_jpeg = max(image.size) <= _MAX_JPEG_SIDE
        for attempt in itertools.count(1):
            again = "" if attempt == 1 else f".{attempt}"
            path = self.folder / f"{stem}{again}{'.jpg' if is_jpeg else '.png'}"
            if os.path.lexists(path):
                continue
            with contextlib.suppress(FileExistsError):  # of another process, in the meantime
                atomic_create(path, lambda file: _encode(image, file, is_jpeg))
                return path
        raise AssertionError("numbers do not end")


def make_repeatable(name: str, source: ImageSource) -> ImageSource:
    """A source that can be read twice: of a pipe all that comes through it, else the source.

    What cannot be read is returned as it is; reading it gives the reason.
    """
    if not isinstance(source, Path):
        return source
    try:
        if not stat.S_ISFIFO(source.stat().st_mode):
            return source
        with open_stream(source, name) as stream:
            return NamedBytes(stream.read(), name)
    except (OSError, ImageError):
        return source


def _name_copy(name: str) -> str:
    """A name after that of the picture, and some digits of where that lies.

    Pictures of one name in different folders have different copies.
    """
    place = os.fsencode(Path(name).absolute())
    digits = hashlib.sha256(place).hexdigest()[:_DIGITS]
    stem = "stdin" if name == "-" else Path(name).stem[:_LONGEST_STEM]
    return f"{stem}-{digits}"


def _encode(image: Image.Image, file: Path, is_jpeg: bool) -> None:
    if is_jpeg:
        image.save(file, "JPEG", quality=_QUALITY, subsampling=0)  # sharp coloured letters
    else:
        image.save(file, "PNG")
