"""How a run's images were cut: who says so, and what contradicts what."""

from __future__ import annotations

import pytest

from gazeclip.errors import ConfigError
from gazeclip.faces.dataset import CROP as DRAWN
from gazeclip.images.crop_rule import CropRule
from gazeclip.recipe.stages import DataConfig
from gazeclip.run.crop import find_crop_rule


@pytest.mark.parametrize(
    ("config", "stated", "rule"),
    [
        (DataConfig(), None, DRAWN),
        (DataConfig(crop="face", crop_side=1.6), None, CropRule("face", 1.6, DRAWN.lift)),
        (DataConfig("m.csv"), None, None),
        (DataConfig("m.csv"), "face", CropRule()),
        (DataConfig("m.csv"), "whole", CropRule("whole")),
        (DataConfig("m.csv", crop="whole"), None, CropRule("whole")),
        (DataConfig("m.csv", crop_lift=-0.1), "face", CropRule(lift=-0.1)),
    ],
)
def test_the_recipe_then_the_data(
    config: DataConfig, stated: str | None, rule: CropRule | None
) -> None:
    assert find_crop_rule(config, stated) == rule


@pytest.mark.parametrize(
    ("config", "stated", "said"),
    [
        (DataConfig(crop="whole"), None, "data.crop is whole, and the procedural faces are face"),
        (DataConfig("m.csv", crop="whole"), "face", "data.crop is whole, and the manifest says"),
        (DataConfig("m.csv", crop_side=1.5), None, "need data.crop=face, which is None"),
        (DataConfig("m.csv", crop_lift=0.1), "whole", "need data.crop=face, which is whole"),
        (DataConfig("m.csv", crop_side=40.0), "face", "crop side 40.0"),
    ],
)
def test_what_is_refused(config: DataConfig, stated: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        find_crop_rule(config, stated)
