"""How the images that a model knows were cut, so that a photograph can be cut alike.

rule = CropRule("face", side=1.43, lift=0.03)
rule.to_entry()   # as bundle.json's contract holds it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gazeclip.errors import ConfigError

FACE = "face"
WHOLE = "whole"
CROPS = (WHOLE, FACE)
# What is usual where nobody says more: near the framing of common sets of faces, rather tight.
SIDE = 1.45
LIFT = 0.043
KEYS = ("crop", "crop_side", "crop_lift")
_SIDES = (0.5, 5.0)
_MAX_LIFT = 0.5


@dataclass(frozen=True)
class CropRule:
    """What a model's images show: upright squares around one face, or whole pictures.

    Attributes:
        kind: `face` or `whole`.
        side: of the square, by the root of the area of the detector's box.
        lift: how far the square's middle lies above the box's, by the square's side. Neither means
            anything where the kind is `whole`.
    """

    kind: str = FACE
    side: float = SIDE
    lift: float = LIFT

    def __post_init__(self) -> None:
        faults = []
        if self.kind not in CROPS:
            faults.append(f"crop '{self.kind}' is none of {', '.join(CROPS)}")
        if not _is_within(self.side, *_SIDES):
            faults.append(f"crop side {self.side!r} is no number from {_SIDES[0]} to {_SIDES[1]}")
        if not _is_within(self.lift, -_MAX_LIFT, _MAX_LIFT):
            faults.append(f"crop lift {self.lift!r} is no number of at most {_MAX_LIFT} either way")
        if faults:
            raise ConfigError("; ".join(faults), remedy="Say how the training images were cut")

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> CropRule | None:
        """The rule among the keys of a contract; None where it says nothing of crops.

        Raises:
            ConfigError: a value is out of range, or the keys do not belong together.
        """
        given = {key for key in KEYS if key in entry}
        if not given:
            return None
        kind = entry.get("crop")
        if kind == WHOLE and given == {"crop"}:
            return cls(WHOLE)
        if kind == FACE and given == set(KEYS):
            return cls(FACE, entry["crop_side"], entry["crop_lift"])
        what = f"{', '.join(sorted(given))} do not say how images were cut (crop is {kind!r})"
        raise ConfigError(what, remedy=f"Give {', '.join(KEYS)}")

    def to_entry(self) -> dict[str, Any]:
        """The keys that a contract holds; `from_entry` reads them."""
        if self.kind == WHOLE:
            return {"crop": WHOLE}
        return {"crop": FACE, "crop_side": self.side, "crop_lift": self.lift}


def _is_within(value: object, low: float, high: float) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return low <= value <= high  # which a value that is not finite never is
