"""The `contract` of bundle.json: how an image becomes pixels, and how training images were cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gazeclip.errors import GazeClipError
from gazeclip.images.crop_rule import KEYS, CropRule
from gazeclip.images.preprocess import PixelContract


def read_contract(entry: Mapping[str, Any]) -> PixelContract:
    """The pixel contract without what the entry says of crops.

    Raises:
        TypeError: a key that is unknown to this version.
        ConfigError: a value out of range.
    """
    return PixelContract(**{key: value for key, value in entry.items() if key not in KEYS})


def contract_faults(meta: Mapping[str, Any]) -> list[str]:
    """Why the `contract` of bundle.json cannot be followed by this version."""
    try:
        contract = read_contract(meta["contract"])
        CropRule.from_entry(meta["contract"])
    except (TypeError, GazeClipError) as error:
        return [f"the pixel contract is unknown to this version ({error})"]
    if contract.version != PixelContract().version:
        own = PixelContract().version
        changed = "since 2 embedded colour profiles are converted to sRGB"
        what = f"the pixel contract has version {contract.version}, this program has {own}"
        return [f"{what} ({changed})"]
    if contract.size != meta["image_size"]:
        return [f"image size {meta['image_size']} differs from the contract's {contract.size}"]
    return []
