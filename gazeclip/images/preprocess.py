"""THE pixel contract: how a photograph becomes the uint8 square that every model takes.

NumPy and Pillow only, because a phone gateway runs this too. Normalisation is not here: each graph
carries its own.

```python
pixels = PixelContract(224).apply("photo.jpg")   # uint8 RGB (224, 224, 3)
```
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, TiffImagePlugin

from gazeclip.errors import ConfigError, ImageError
from gazeclip.images.flatten import flatten
from gazeclip.images.opened import (
    OpenImage,
    open_again,
    open_source,
    order_frames,
    read_orientation,
    turn_upright,
)
from gazeclip.images.reduced import (
    Reduced,
    choose_fraction,
    find_end,
    place_reduced,
    reduce_jpeg,
)
from gazeclip.images.scale import scale_in_order
from gazeclip.images.source import (
    SLASHES_REMEDY,
    ImageSource,
    has_foreign_separators,
    name_source,
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
    what was done about its colours (None: nothing). Of a JPEG that was reduced to be looked at,
    `reduced` is how it lies in the whole one, and `decode_again` decodes it reduced by less; it may
    raise `ImageError` and be called until the next frame is asked for. Given a box `x0, y0, x1, y1`
    of the whole picture beside the number, it may leave black what lies outside.
    """

    image: Image.Image
    frames: int
    note: str | None
    frame: int
    reduced: Reduced | None = None
    decode_again: Callable[..., DecodedImage] | None = None


class Pixels(NamedTuple):
    """The model's input, uint8 RGB `(size, size, 3)`; the others as in `DecodedImage`."""

    array: np.ndarray
    frames: int
    note: str | None
    frame: int


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
        return next(self.read_frames(source, 1))

    def read_frames(self, source: ImageSource, limit: int | None) -> Iterator[Pixels]:
        """Like `read`, of the first `limit` frames (None: all), each decoded when it is asked for.

        Raises:
            ImageError: a frame cannot be read; those before it were given.
        """
        if self._is_ready(source):  # nothing to decode, turn or scale: only a copy of its own
            return iter([Pixels(np.array(source, order="C"), 1, None, 1)])
        return map(self._scale, decode_frames(source, limit, draft_size=self.size))

    def _is_ready(self, source: ImageSource) -> bool:
        """Whether a source is an array that is the model's input as it is."""
        if not isinstance(source, np.ndarray):
            return False
        return source.dtype == np.uint8 and source.shape == (self.size, self.size, 3)

    def _scale(self, decoded: DecodedImage) -> Pixels:
        filter_ = INTERPOLATIONS[self.interpolation]
        image = scale_in_order(decoded.image, (self.size, self.size), filter_)
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
    source: ImageSource,
    limit: int | None,
    draft_size: int | None = None,
    look_side: int | None = None,
) -> Generator[DecodedImage, None, None]:
    """Like `decode_image`, of the first `limit` frames (None: all), each decoded when asked for.

    The first is the one that the file names as such: in HEIC it may be another than number 1.

    Args:
        look_side: of a JPEG so many pixels of its longer side do for now.
    """
    name = name_source(source, "image")
    with contextlib.ExitStack() as until_the_end:
        with _explain_errors(name):
            opened = open_source(source, name, until_the_end)
        for place, number in enumerate(order_frames(opened, limit)):
            label = name if place == 0 else f"{name}, frame {number + 1},"
            with _explain_errors(label):
                if look_side is not None and opened.kind == "JPEG":
                    by = choose_fraction(max(opened.image.size), look_side)
                    decoded = _decode_reduced(opened, number, label, by)
                else:
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


def _decode_frame(
    opened: OpenImage, number: int, name: str, draft_size: int | None
) -> DecodedImage:
    image = opened.image
    if opened.frames > 1 and image.tell() != number:
        if opened.kind == "JPEG":
            image = open_again(opened, name)
        image.seek(number)
    # Pages of a TIFF differ in size.
    at_a_fraction = draft_size is not None and opened.kind == "JPEG"
    _refuse_too_many_pixels(image, MAX_JPEG_PIXELS if at_a_fraction else MAX_PIXELS, name)
    if draft_size is not None and at_a_fraction:
        image.draft("RGB", (3 * draft_size, 3 * draft_size))
    white_is_zero = False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        white_is_zero = image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    flat, note = flatten(turn_upright(image), name, white_is_zero)
    if flat is opened.image and (opened.frames > 1 or opened.kind is None):
        flat = flat.copy()  # another frame would take its place, or its owner may change it
    return DecodedImage(flat, opened.frames, note, number + 1)


def _decode_reduced(
    opened: OpenImage,
    number: int,
    name: str,
    by: int,
    needed: tuple[int, int, int, int] | None = None,
) -> DecodedImage:
    """A frame of a JPEG, reduced as it is decoded; of it what is needed, if that is said."""
    image = open_again(opened, name)
    if number:
        image.seek(number)
    # It may have to be decoded whole.
    _refuse_too_many_pixels(image, MAX_PIXELS, name)
    stored = image.size
    end = None if needed is None else find_end(needed, stored, read_orientation(image))
    upright = reduce_jpeg(image, by, end)
    place = place_reduced(stored, by, read_orientation(upright))
    flat, note = flatten(turn_upright(upright), name)

    def decode_again(by: int, needed: tuple[int, int, int, int] | None = None) -> DecodedImage:
        with _explain_errors(name):
            return _decode_reduced(opened, number, name, by, needed)

    return DecodedImage(flat, opened.frames, note, number + 1, place, decode_again)


def _refuse_too_many_pixels(image: Image.Image, limit: int, name: str) -> None:
    if image.width * image.height > limit:
        what = f"{name} has {image.width} x {image.height} pixels"
        raise ImageError(what, remedy=f"Downscale it below {limit // 1_000_000} megapixels")
