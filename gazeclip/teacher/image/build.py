"""The image tower that a recipe names, and what else its weight file holds."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from torch import nn

from gazeclip.recipe.teacher import TeacherConfig
from gazeclip.teacher.image.hybrid import HybridTower
from gazeclip.teacher.image.tower import ImageTower

_CLIP_SCALE = math.log(1 / 0.07)  # where CLIP's own training starts


class Towers(NamedTuple):
    """An image tower, the text transformer beside it, and the log of the logit scale.

    `text` is None for one from scratch.
    """

    image: ImageTower
    text: nn.Module | None
    log_scale: float


def build_towers(config: TeacherConfig, image_size: int, classes: int, load: bool) -> Towers:
    """The towers that a configuration names.

    Args:
        classes: C, for a hybrid that keeps the classifiers of its CNNs.
        load: read pretrained weights; False builds the bare networks.
    """
    if config.tower == "hybrid":
        return Towers(HybridTower(config, image_size, classes, load), None, _CLIP_SCALE)
    from gazeclip.teacher.image.clip import SMALL, ClipTower, build_clip, small_visual

    side = config.input_size or image_size
    if config.clip_model == SMALL:
        return Towers(ClipTower(config, small_visual(config, side)), None, _CLIP_SCALE)
    clip: Any = build_clip(config, side, load)
    tower = ClipTower(config, clip.visual)
    return Towers(tower, getattr(clip, "text", clip), float(clip.logit_scale.detach()))
