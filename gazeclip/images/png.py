"""PNG whose colour profile Pillow cannot take: opened without it, as of every other format."""

from __future__ import annotations

import io
from typing import BinaryIO

from PIL import PngImagePlugin

_SIGNATURE_LENGTH = 8
_CHUNK_FRAME = 12  # length, type and checksum
_CHUNKS_SEARCHED = 100  # a profile comes before palette and pixels


def open_png(stream: BinaryIO, filename: str) -> PngImagePlugin.PngImageFile:
    """A PNG's header; its profile is None where that alone is damaged.

    Pillow refuses the whole file then: over a wrong checksum, an unknown compression, or a profile
    above its limit.

    Raises:
        Exception: what Pillow raises of damaged files.
    """
    try:
        return PngImagePlugin.PngImageFile(stream, filename)
    except Exception:
        stream.seek(0)
        data = stream.read()
        found = _find_profile(data)
        if found is None:
            raise
        start, end = found
        image = PngImagePlugin.PngImageFile(io.BytesIO(data[:start] + data[end:]), filename)
        image.info["icc_profile"] = None
        return image


def _find_profile(data: bytes) -> tuple[int, int] | None:
    """Where the profile's chunk starts and ends; None if there is none before the pixels."""
    start = _SIGNATURE_LENGTH
    for _ in range(_CHUNKS_SEARCHED):
        kind = data[start + 4 : start + 8]
        end = start + _CHUNK_FRAME + int.from_bytes(data[start : start + 4], "big")
        if kind == b"iCCP":
            return start, end
        if kind == b"IDAT" or end > len(data):
            return None
        start = end
    return None
