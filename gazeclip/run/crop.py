"""How a run's images were cut: what the recipe says, else the manifest or the drawn faces."""

from __future__ import annotations

from gazeclip.errors import ConfigError
from gazeclip.faces.dataset import CROP as DRAWN
from gazeclip.images.crop_rule import FACE, CropRule
from gazeclip.recipe.stages import DataConfig


def find_crop_rule(config: DataConfig, stated: str | None) -> CropRule | None:
    """The rule of a run's images; None where nobody says.

    Args:
        stated: what the manifest says; None: nothing, or there is no manifest.

    Raises:
        ConfigError: recipe and manifest contradict each other, or the recipe has a side or lift
            without faces to which they belong.
    """
    drawn = config.manifest is None
    by_itself = DRAWN.kind if drawn else stated
    kind = config.crop or by_itself
    if by_itself is not None and kind != by_itself:
        whose = "the procedural faces are" if drawn else "the manifest says"
        raise ConfigError(
            f"data.crop is {kind}, and {whose} {by_itself}",
            remedy="Leave data.crop out, or correct the manifest's column crop",
        )
    if kind != FACE and (config.crop_side, config.crop_lift) != (None, None):
        raise ConfigError(
            f"data.crop_side and data.crop_lift need data.crop=face, which is {kind}",
            remedy="Set data.crop=face, or leave them out",
        )
    if kind is None:
        return None
    usual = DRAWN if drawn else CropRule(kind)
    side = usual.side if config.crop_side is None else config.crop_side
    lift = usual.lift if config.crop_lift is None else config.crop_lift
    return CropRule(kind, side, lift)
