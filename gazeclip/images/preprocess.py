"""THE pixel contract: how a photograph becomes the uint8 square that every model takes.

NumPy and Pillow only, because a phone gateway runs this too. Normalisation is not here: each graph
carries its own.

```python
pixels = PixelContract(224).apply("photo.jpg")   # uint8 RGB (224, 224, 3)
```
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin

from gazeclip.errors import ConfigError, ImageError
from gazeclip.images.flatten import flatten
from gazeclip.images.formats import open_promised
from gazeclip.images.source import (
    SLASHES_REMEDY,
    ImageSource,
    has_foreign_separators,
    name_source,
    open_stream,
)

INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# Limits on decompression bombs, checked before anything is decoded. An image decoded whole takes
# up to 12 bytes a pixel while it is flattened; a JPEG is decoded at a fraction of its size, so that
# those of the largest telephone cameras (200 megapixels) fit.
MAX_PIXELS = 120_000_000
MAX_JPEG_PIXELS = 200_000_000


class DecodedImage(NamedTuple):
    """One frame of a file as sRGB.

    `frames` is how many its file has (1: a still one), `frame` which this is, from 1. `note` says
    what was done about its colours (None: nothing).
    """

    image: Image.Image
    frames: int
    note: str | None
    frame: int


class Pixels(NamedTuple):
    """The model's input, uint8 RGB `(size, size, 3)`; the others as in `DecodedImage`."""

    array: np.ndarray
    frames: int
    note: str | None
    frame: int


class _OpenImage(NamedTuple):
    """An image whose header was read; `kind` and `stream` are None where the caller opened it."""

    image: Image.Image
    frames: int
    kind: str | None
    stream: BinaryIO | None


@dataclass(frozen=True)
class PixelContract:
    """Size and interpolation of the model's input.

    Recorded in checkpoints and bundles, and compared between stages.

    The whole image is scaled to the square (`squash`): face crops are square, and nothing of a
    face may be cut off. Colours are converted to sRGB where a profile is embedded, transparent
    pixels are laid over mid-grey, and EXIF orientation is applied.

    Version 1 left profiles out, so that such an image had other pixels.
    """

    size: int = 224
    interpolation: str = "bicubic"
    version: int = 2

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise ConfigError(
                f"unknown interpolation '{self.interpolation}'",
                remedy=f"Use one of {', '.join(INTERPOLATIONS)}",
            )
        if not 16 <= self.size <= 1024:
            raise ConfigError(
                f"image size {self.size} is out of range", remedy="Use 16 to 1024 pixels"
            )

    def apply(self, source: ImageSource) -> np.ndarray:
        """Any photograph -> uint8 RGB `(size, size, 3)`.

        Raises:
            ImageError: the image cannot be read.
        """
        return self.read(source).array

    def read(self, source: ImageSource) -> Pixels:
        """Like `apply`, with what its file says."""
        return self._scale(decode_image(source, draft_size=self.size))

    def read_frames(self, source: ImageSource, limit: int | None) -> Iterator[Pixels]:
        """Like `read`, of the first `limit` frames (None: all), each decoded when it is asked for.

        Raises:
            ImageError: a frame cannot be read; those before it were given.
        """
        return map(self._scale, decode_frames(source, limit, draft_size=self.size))

    def _scale(self, decoded: DecodedImage) -> Pixels:
        image = decoded.image
        if image.size != (self.size, self.size):
            image = image.resize((self.size, self.size), INTERPOLATIONS[self.interpolation])
        array = np.asarray(image, dtype=np.uint8).copy()
        return Pixels(array, decoded.frames, decoded.note, decoded.frame)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def load_image(source: ImageSource, draft_size: int | None = None) -> Image.Image:
    """Decode, orient and flatten one image to an sRGB `PIL.Image`; of several frames the first.

    `draft_size` lets libjpeg decode a large JPEG at 1/2, 1/4 or 1/8, never below three times that
    size (so that the final resampling still has detail to average).

    Raises:
        ImageError: missing, empty, truncated, too large, of another format, or nothing that could
            be an image.
    """
    return decode_image(source, draft_size).image


def decode_image(source: ImageSource, draft_size: int | None = None) -> DecodedImage:
    """Like `load_image`, with the number of frames and a note on colours."""
    with contextlib.closing(decode_frames(source, 1, draft_size)) as frames:
        return next(frames)


def decode_frames(
    source: ImageSource, limit: int | None, draft_size: int | None = None
) -> Generator[DecodedImage, None, None]:
    """Like `decode_image`, of the first `limit` frames (None: all), each decoded when asked for.

    The first is the one that the file names as such: in HEIC it may be another than number 1.
    """
    name = name_source(source, "image")
    with contextlib.ExitStack() as until_the_end:
        with _explain_errors(name):
            opened = _open_source(source, name, until_the_end)
        for place, number in enumerate(_order_frames(opened, limit)):
            label = name if place == 0 else f"{name}, frame {number + 1},"
            with _explain_errors(label):
                decoded = _decode_frame(opened, number, label, draft_size)
            yield decoded


@contextlib.contextmanager
def _explain_errors(name: str) -> Iterator[None]:
    """Whatever reading an image may raise becomes an `ImageError`."""
    try:
        yield
    except FileNotFoundError as error:
        remedy = SLASHES_REMEDY if has_foreign_separators(name) else "Check the path"
        raise ImageError(f"{name} does not exist", remedy=remedy) from error
    except IsADirectoryError as error:
        raise ImageError(f"{name} is a folder", remedy="Name the images in it") from error
    except ImageError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # the system's, not Pillow's
            what = f"{name} cannot be read ({error.strerror})"
            raise ImageError(what, remedy="Check its permissions and its disk") from error
        # Pillow's parsers raise nearly anything on hostile bytes; all of it means the same to the
        # caller
        reason = " ".join(str(error).split()) or type(error).__name__
        what = f"{name} is damaged ({reason})"
        raise ImageError(what, remedy="Get the image again") from error


def _open_source(source: ImageSource, name: str, until_the_end: contextlib.ExitStack) -> _OpenImage:
    if isinstance(source, Image.Image | np.ndarray):
        image = _given_image(source, name)
        frames = _count_frames(image)
        if frames > 1:  # the caller's picture stays at its frame
            until_the_end.callback(image.seek, image.tell())
        return _OpenImage(image, frames, None, None)
    stream = until_the_end.enter_context(open_stream(source, name))
    opened, kind = open_promised(stream, name)
    return _OpenImage(opened, _count_frames(opened), kind, stream)


def _order_frames(opened: _OpenImage, limit: int | None) -> Iterator[int]:
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


def _decode_frame(
    opened: _OpenImage, number: int, name: str, draft_size: int | None
) -> DecodedImage:
    image = opened.image
    if opened.frames > 1 and image.tell() != number:
        if opened.kind == "JPEG" and opened.stream is not None:
            # An image that was decoded at a fraction of its size stays set to that.
            opened.stream.seek(0)
            image, _ = open_promised(opened.stream, name)
        image.seek(number)
    # Pages of a TIFF differ in size.
    at_a_fraction = draft_size is not None and opened.kind == "JPEG"
    _refuse_too_many_pixels(image, MAX_JPEG_PIXELS if at_a_fraction else MAX_PIXELS, name)
    if draft_size is not None and at_a_fraction:
        image.draft("RGB", (3 * draft_size, 3 * draft_size))
    white_is_zero = False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        white_is_zero = image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    upright = ImageOps.exif_transpose(image)
    flat, note = flatten(upright, name, white_is_zero)
    return DecodedImage(flat, opened.frames, note, number + 1)


def _count_frames(image: Image.Image) -> int:
    """How many frames the file of an image has; 1 where the caller closed it after decoding."""
    if getattr(image, "fp", None) is None:
        return 1
    return int(getattr(image, "n_frames", 1))


def _refuse_too_many_pixels(image: Image.Image, limit: int, name: str) -> None:
    if image.width * image.height > limit:
        what = f"{name} has {image.width} x {image.height} pixels"
        raise ImageError(what, remedy=f"Downscale it below {limit // 1_000_000} megapixels")
