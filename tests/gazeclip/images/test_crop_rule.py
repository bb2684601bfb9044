"""How images were cut, as a contract holds it: there and back, and what it refuses."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from gazeclip.errors import ConfigError
from gazeclip.images.crop_rule import CropRule


@pytest.mark.parametrize("rule", [CropRule("whole"), CropRule("face", side=1.3, lift=-0.02)])
def test_there_and_back(rule: CropRule) -> None:
    entry = json.loads(json.dumps(rule.to_entry()))
    assert CropRule.from_entry({"size": 96} | entry) == rule


def test_a_contract_that_says_nothing() -> None:
    assert CropRule.from_entry({"size": 96, "interpolation": "bicubic", "version": 2}) is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"crop": "face"}, "crop do not say how"),
        ({"crop": "whole", "crop_side": 1.5}, "crop, crop_side do not say how"),
        ({"crop_side": 1.5, "crop_lift": 0.0}, "crop is None"),
        ({"crop": "head", "crop_side": 1.5, "crop_lift": 0.0}, "crop is 'head'"),
        ({"crop": "face", "crop_side": "1.5", "crop_lift": 0.0}, "crop side '1.5' is no number"),
        ({"crop": "face", "crop_side": True, "crop_lift": 0.0}, "crop side True is no number"),
        ({"crop": "face", "crop_side": 9.0, "crop_lift": 0.0}, "crop side 9.0 is no number from"),
        ({"crop": "face", "crop_side": 1.5, "crop_lift": math.nan}, "crop lift nan is no number"),
    ],
)
def test_what_is_refused(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        CropRule.from_entry(entry)


def test_all_faults_at_once() -> None:
    with pytest.raises(ConfigError, match=r"crop 'head'.*side 0.1.*lift 2.0"):
        CropRule("head", side=0.1, lift=2.0)
