"""The teacher's configuration: round trip, all faults at once, nothing accepted silently."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gazeclip.errors import ConfigError
from gazeclip.recipe.teacher import GazeConfig, TeacherConfig, TextConfig


def test_round_trip_keeps_nested_values():
    config = TeacherConfig(
        width=64, heads=2, gaze=GazeConfig("none", tokens=3), text=TextConfig(levels=2, aws=False)
    )
    assert TeacherConfig.from_dict(config.to_dict()) == config


def test_unknown_key_names_the_nearest():
    with pytest.raises(ConfigError, match="embed_dim"):
        TeacherConfig.from_dict({"embed_dims": 3})
    with pytest.raises(ConfigError, match=r"teacher\.gaze.*tokens"):
        TeacherConfig.from_dict({"gaze": {"token": 3}})


def test_all_faults_are_reported_together():
    with pytest.raises(ConfigError) as error:
        TeacherConfig(
            tower="clipp",
            width=100,
            heads=3,
            dropout=1.5,
            text=TextConfig(levels=5),
            w_nce=0,
            w_attribution=0,
        )
    for part in ("tower", "width 100", "dropout", "levels", "w_nce"):
        assert part in error.value.message


def test_importing_the_configuration_needs_no_torch():
    code = "import sys, gazeclip.recipe.teacher; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
