"""What an image file says of itself before a pixel is decoded: format, size, compression."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gazeclip.errors import ImageError
from gazeclip.images.formats import open_promised

# The luminance table of ITU-T T.81, Annex K, which libjpeg scales by quality. Only its sum is used,
# so the order does not matter.
_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_SAMPLINGS = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}


@dataclass(frozen=True)
class ImageHeader:
    """One file; sizes in pixels and bytes.

    `quality` (1 to 100, as libjpeg counts) and `subsampling` are None where it is no JPEG.
    """

    format: str
    width: int
    height: int
    bytes: int
    quality: int | None = None
    subsampling: str | None = None


def read_header(path: Path) -> ImageHeader | None:
    """The header of an image file; None if it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images: none is decoded here
            with path.open("rb") as stream:
                # Not Image.open: its own limit on pixels is below that of the photographs taken.
                image, _ = open_promised(stream, str(path))
                quality, subsampling = _jpeg_facts(image)
                kind = str(image.format)
                width, height = image.size
        return ImageHeader(kind, width, height, path.stat().st_size, quality, subsampling)
    except (OSError, ValueError, LookupError, TypeError, struct.error, ImageError):
        return None


def _jpeg_facts(image: Any) -> tuple[int | None, str | None]:
    if image.format not in ("JPEG", "MPO") or not image.quantization:
        return None, None
    return _estimate_quality(sum(image.quantization[min(image.quantization)])), _name_subsampling(
        image.layer
    )


def _estimate_quality(total: int) -> int:
    """The libjpeg quality whose luminance table has the sum nearest to this one."""
    return min(range(1, 101), key=lambda quality: abs(_table_sum(quality) - total))


@cache
def _table_sum(quality: int) -> int:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(255, max(1, (value * scale + 50) // 100)) for value in _LUMINANCE)


def _name_subsampling(layers: list[tuple[int, int, int, int]]) -> str:
    """From `(id, horizontal, vertical, table)` of each component."""
    if len(layers) < 2:
        return "grey"
    (_, wide, high, _), (_, chroma_wide, chroma_high, _) = layers[:2]
    ratio = (wide // chroma_wide, high // chroma_high)
    return _SAMPLINGS.get(ratio, f"{ratio[0]}x{ratio[1]}")
