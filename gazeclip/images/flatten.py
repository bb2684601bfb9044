"""8-bit sRGB from an image of any mode, or a refusal: never black by a scale that does not fit."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gazeclip.errors import ImageError
from gazeclip.images.colour import Coloured, convert_to_srgb, has_transparency

# What the brightest value of an image deeper than 8 bits may stand for, by Pillow's mode.
_SIXTEEN_BITS = (65535.0,)
_WHITES = {
    "F": (1.0, 255.0, 65535.0),
    "I": (255.0, 65535.0),
    "I;16": _SIXTEEN_BITS,
    "I;16L": _SIXTEEN_BITS,
    "I;16B": _SIXTEEN_BITS,
    "I;16N": _SIXTEEN_BITS,
}
_OVERSHOOT = 0.002  # half a step of 8 bits, which resampling in floats can leave on both sides
# An image must use more than a sixteenth of its range. Less is nearly black, or an image of
# another range (12 bits in a file of 16, floats a little above 1).
_LEAST_USE = 1 / 16
_MID_GREY = 128


def flatten(image: Image.Image, name: str, white_is_zero: bool = False) -> Coloured:
    """RGB from any mode, in sRGB; transparency is laid over mid-grey. May be the image given.

    Args:
        name: of the image, for messages.
        white_is_zero: a TIFF says that 0 is white; Pillow heeds it for up to 8 bits only.

    Raises:
        ImageError: values that fit no known range.
    """
    if image.mode in _WHITES:
        image = _reduce_depth(image, name, white_is_zero)
    image, note = convert_to_srgb(image)
    return Coloured(_lay_over_grey(image), note)


def _lay_over_grey(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBa", "La"):
        image = image.convert("RGBA" if image.mode == "RGBa" else "LA")
    if has_transparency(image):
        rgba = image.convert("RGBA")
        grey = Image.new("RGBA", rgba.size, (_MID_GREY, _MID_GREY, _MID_GREY, 255))
        return Image.alpha_composite(grey, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _reduce_depth(image: Image.Image, name: str, white_is_zero: bool) -> Image.Image:
    """Grey of 8 bits, with the image's transparency and profile."""
    values = np.asarray(image, dtype=np.float32)
    white = _find_white(values, image.mode, name)
    scaled = (values * np.float32(255.0 / white)).clip(0, 255)
    if white_is_zero:
        scaled = 255 - scaled
    grey = Image.fromarray(scaled.round().astype(np.uint8))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        opaque = np.where(values == transparent, 0, 255).astype(np.uint8)
        grey.putalpha(Image.fromarray(opaque))
    if "icc_profile" in image.info:
        grey.info["icc_profile"] = image.info["icc_profile"]
    return grey


def _find_white(values: np.ndarray, mode: str, name: str) -> float:
    """The value that stands for white; any will do for an image of zeros."""
    low = float(values.min())
    high = float(values.max())
    if low == high == 0:
        return 1.0
    for white in _WHITES[mode]:
        overshoot = white * _OVERSHOOT
        if white * _LEAST_USE < high <= white + overshoot and low >= -overshoot:
            return white
    ranges = " or ".join(f"0 to {white:.0f}" for white in _WHITES[mode])
    what = f"{name} has values from {low:g} to {high:g}, which do not fill a range of {ranges}"
    raise ImageError(what, remedy="Save it with 8 bits per channel")
