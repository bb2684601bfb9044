"""A student that starts from its teacher's backbone."""

from __future__ import annotations

import pytest
import torch

from distill.student import inherit_backbone
from gazeclip.errors import ConfigError
from gazeclip.networks.backbones import build_encoder
from gazeclip.recipe.teacher import GazeConfig, TeacherConfig, TextConfig
from gazeclip.teacher.model import GazeCLIP

NAME = "mobilenetv4_conv_small_050"
PROMPTS = [["a photo of a real face"] * 4, ["a photo of a fake face"] * 4]


def teacher(backbone: str = NAME) -> GazeCLIP:
    """A tiny hybrid teacher without gaze."""
    text = TextConfig(width=16, layers=1, heads=2, context_length=16)
    config = TeacherConfig(
        backbone=backbone,
        width=16,
        depth=1,
        heads=2,
        embed_dim=16,
        gaze=GazeConfig(kind="none"),
        text=text,
    )
    return GazeCLIP(config, PROMPTS, 64)


def test_inherits_every_convolution_of_the_teacher() -> None:
    source, encoder = teacher(), build_encoder(NAME)
    inherit_backbone(encoder, source, NAME)
    state = encoder.state_dict()
    for name, value in source.tower.get_submodule("backbone").state_dict().items():
        assert torch.equal(state[name], value), name
    with torch.no_grad():  # the copy is the student's own
        next(iter(encoder.parameters())).add_(1.0)
    assert not torch.equal(
        encoder.state_dict()["conv_stem.weight"],
        source.tower.get_submodule("backbone").state_dict()["conv_stem.weight"],
    )


def test_another_backbone_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a hybrid teacher with backbone"):
        inherit_backbone(build_encoder(NAME), teacher(), "mobilenetv4_conv_small")
