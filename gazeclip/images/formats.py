"""The formats that are promised: their suffixes, and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from PIL import (
    BmpImagePlugin,
    ImageFile,
    JpegImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    features,
)

from gazeclip.errors import ImageError, MissingDependencyError
from gazeclip.images.file_kind import HEAD_LENGTH, recognise
from gazeclip.images.heic import HeicImageFile
from gazeclip.images.png import open_png

# The formats that are promised, each with its suffixes; nothing else is ever opened, whatever its
# name.
FORMATS = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "HEIC": (".heic", ".heif"),
    "AVIF": (".avif",),
}
IMAGE_SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
NO_IMAGES_REMEDY = f"Supported: {', '.join(sorted(IMAGE_SUFFIXES))}"
_FORMATS_REMEDY = "Use JPEG, PNG, WebP, BMP, TIFF, HEIC or AVIF"
_Opener = Callable[[BinaryIO, str], ImageFile.ImageFile]


def open_promised(stream: BinaryIO, name: str) -> tuple[ImageFile.ImageFile, str]:
    """The header of a file of a promised format, and which that is.

    `Image.open` is not used: it tries parsers that nobody needs here, and its own limit on pixels
    (a warning at 89 megapixels) can only be changed for the whole process.

    Raises:
        ImageError: empty, damaged, of another format, or of one whose package is not installed.
    """
    head = stream.read(HEAD_LENGTH)
    stream.seek(0)
    if not head:
        raise ImageError(f"{name} is empty", remedy="Get the image again")
    kind = recognise(head)
    if kind is None:
        raise ImageError(f"{name} is not an image that can be read", remedy=_FORMATS_REMEDY)
    if kind not in FORMATS:
        raise ImageError(f"{name} is of type {kind}, which is not read", remedy=_FORMATS_REMEDY)
    opener = _find_avif_opener(name) if kind == "AVIF" else _OPENERS[kind]
    try:
        return opener(stream, ""), kind
    except MissingDependencyError as error:
        what = f"{name} is of type {kind}, and {error.message}"
        raise ImageError(what, remedy=error.remedy) from error
    except SyntaxError as error:  # Pillow's word for a header that it cannot take
        reason = " ".join(str(error).split())  # libheif's end in a line break
        what = f"{name} is damaged, or {kind} of a kind that is not read ({reason})"
        raise ImageError(what, remedy="Get the image again, or save it as 8-bit RGB") from error


def _find_avif_opener(name: str) -> _Opener:
    if not features.check("avif"):
        what = f"{name} is of type AVIF, which this build of Pillow does not read"
        raise ImageError(what, remedy="Install Pillow 11.3 or later from PyPI, or save it as PNG")
    from PIL import AvifImagePlugin  # older Pillows have none

    return AvifImagePlugin.AvifImageFile


_OPENERS: dict[str, _Opener] = {
    "JPEG": JpegImagePlugin.jpeg_factory,
    "PNG": open_png,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "HEIC": HeicImageFile,
}
