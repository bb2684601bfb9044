"""Colours to sRGB: an embedded ICC profile says what an image's numbers mean.

Models are trained on sRGB. Read as sRGB, the numbers of another space (Display P3 of telephones,
Adobe RGB of cameras, inks) look pale or too strong, which a network may take for a trace.

The format is ICC.1:2022; the conversion is that of Little CMS, which comes with Pillow.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsProfile, ImageCmsTransform

# What an image of each kind of profile is converted from, by the colour space of its header.
_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
# Profiles of devices and of colour spaces. Links of two devices, abstract profiles and lists of
# named colours do not say what a picture's numbers mean.
_CLASSES = {"scnr", "mntr", "prtr", "spac"}
_MAX_PROFILE_BYTES = 8_000_000  # printers' tables have up to 3 MB
_KEPT_PROFILES = 8  # a folder's images come from few cameras; each may hold its bytes in memory
# Two programs' sRGB differ by rounding. What changes no colour by more than that is sRGB.
_SRGB_TOLERANCE = 2
_LONGEST_NAME = 60  # characters of a profile's description in a message


class Coloured(NamedTuple):
    """An image in sRGB, and what is to be told about its colours (None: nothing)."""

    image: Image.Image
    note: str | None


class _Meaning(NamedTuple):
    """What a profile asks for: its transform (None: leave the numbers as they are), and a note."""

    transform: ImageCmsTransform | None
    note: str | None


def convert_to_srgb(image: Image.Image) -> Coloured:
    """An image of at most 8 bits as its embedded profile means it, perceptual intent.

    Transparency stays. An image without a profile, or with one that means sRGB, is returned as it
    is. A profile that is damaged or fits another kind of image is left out, with a note.
    """
    profile = image.info.get("icc_profile", b"")
    if profile == b"":
        return Coloured(image, None)
    if not isinstance(profile, bytes) or len(profile) > _MAX_PROFILE_BYTES:
        return Coloured(image, _describe_loss())  # Pillow gives None where its parts do not fit
    mode = _find_colours(image)
    if mode is None:
        return Coloured(image, None)
    meaning = _read_profile(profile, mode)
    if meaning.transform is None:
        return Coloured(image, meaning.note)
    return Coloured(_apply(meaning.transform, image), meaning.note)


def has_transparency(image: Image.Image) -> bool:
    """Whether an image has an alpha channel, or a colour that stands for nothing."""
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def _find_colours(image: Image.Image) -> str | None:
    """`RGB`, `L` or `CMYK`; None where a mode has no colours that a profile could be for."""
    if image.mode in ("1", "L", "LA", "La"):
        return "L"
    if image.mode in ("RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "YCbCr"):
        return "RGB"
    return "CMYK" if image.mode == "CMYK" else None


def _apply(transform: ImageCmsTransform, image: Image.Image) -> Image.Image:
    """RGB, or RGBA where the image has transparency."""
    alpha = None
    if has_transparency(image):
        # Premultiplied colours are divided here, before they are converted.
        image = image.convert("LA" if _find_colours(image) == "L" else "RGBA")
        alpha = image.getchannel("A")
    converted = transform.apply(image.convert(transform.input_mode))
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


@lru_cache(_KEPT_PROFILES)
def _read_profile(data: bytes, mode: str) -> _Meaning:
    from PIL import ImageCms  # 10 ms that a start without a profile need not wait

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        facts = profile.profile
        space = facts.xcolor_space.strip()
        if facts.device_class.strip() not in _CLASSES:
            return _Meaning(None, _describe_loss())
        # A grey picture with a profile for colours was made from a coloured one: all three equal.
        if _SPACES.get(space) != mode and (space, mode) != ("RGB", "L"):
            return _Meaning(None, f"its colour profile is for {space}, not {mode}, and is left out")
        transform = ImageCms.ImageCmsTransform(
            profile,
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            _SPACES[space],
            "RGB",
            ImageCms.Intent.PERCEPTUAL,
        )
        if _is_srgb(transform):
            return _Meaning(None, None)
        return _Meaning(transform, f"colours converted from {_name_profile(profile)} to sRGB")
    except Exception:  # Little CMS and its wrapping raise many things on hostile bytes
        return _Meaning(None, _describe_loss())


def _is_srgb(transform: ImageCmsTransform) -> bool:
    """Whether a transform leaves a table of colours (greys among them) as they are."""
    if transform.input_mode == "CMYK":
        return False
    if transform.input_mode == "L":
        table = np.arange(256, dtype=np.uint8)[None]  # (1, 256)
    else:
        steps = np.arange(0, 256, 15, dtype=np.uint8)  # 18 of each colour
        table = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    given = Image.fromarray(table)
    wanted = np.asarray(given.convert("RGB"), dtype=np.int16)
    got = np.asarray(transform.apply(given), dtype=np.int16)
    return bool(np.abs(got - wanted).max() <= _SRGB_TOLERANCE)


def _name_profile(profile: ImageCmsProfile) -> str:
    """A profile's description in one line, or its colour space where it has none."""
    words = " ".join((profile.profile.profile_description or "").split())
    if not words:
        return f"a {profile.profile.xcolor_space.strip()} profile without a name"
    return f"'{words[:_LONGEST_NAME]}'"


def _describe_loss() -> str:
    return "its colour profile cannot be used and is left out (colours are taken as sRGB)"
