"""A decoded frame as an upright sRGB picture with square pixels.

Numbers in films are brightness and two colours; which matrix leads to RGB is written in the frame
(ITU-T H.273), and where it is not, large pictures are taken as BT.709 and small ones as BT.601, as
players do. BT.709 has the primaries of sRGB, so that nothing else is converted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

# Numbers of ITU-T H.273, tables 2, 3 and 4.
_UNSPECIFIED = 2
_WIDE_PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_HDR_CURVES = {16: "PQ", 18: "HLG"}
_SWSCALE_BT709 = 1
_SMALLEST_HD_HEIGHT = 720  # pixels, whichever side is shorter
_MAX_ASPECT = 4.0  # of one pixel; beyond, the number is not believed


def make_picture(frame: Any, pixel_aspect: float | None) -> Image.Image:
    """RGB picture of a frame of `av`.

    Args:
        pixel_aspect: width of a pixel by its height; None: square.
    """
    matrix = None
    if frame.colorspace == _UNSPECIFIED and min(frame.width, frame.height) >= _SMALLEST_HD_HEIGHT:
        matrix = _SWSCALE_BT709
    pixels = frame.reformat(format="rgb24", src_colorspace=matrix, dst_colorspace=matrix)
    picture = Image.fromarray(pixels.to_ndarray())  # (H, W, 3)
    if pixel_aspect and pixel_aspect != 1 and 1 / _MAX_ASPECT <= pixel_aspect <= _MAX_ASPECT:
        width = max(1, round(picture.width * pixel_aspect))
        picture = picture.resize((width, picture.height), Image.Resampling.BICUBIC)
    return turn_upright(picture, frame.rotation)


def turn_upright(picture: Image.Image, degrees: float) -> Image.Image:
    """Turn a picture counter-clockwise by the nearest number of right angles."""
    quarters = round(degrees / 90) % 4
    return Image.fromarray(np.rot90(np.asarray(picture), quarters)) if quarters else picture


def describe_colours(frame: Any) -> str | None:
    """What must be told about a frame's colours; None if they are as in photographs."""
    parts = []
    if frame.color_trc in _HDR_CURVES:
        parts.append(f"brightness in {_HDR_CURVES[frame.color_trc]}")
    if frame.color_primaries in _WIDE_PRIMARIES:
        parts.append(f"colours in {_WIDE_PRIMARIES[frame.color_primaries]}")
    return f"{' and '.join(parts)} taken as if sRGB" if parts else None
