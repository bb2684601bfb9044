"""A tiny teacher of each tower, and images for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gazeclip.recipe.teacher import GazeConfig, TeacherConfig, TextConfig
from gazeclip.taxonomy import Taxonomy
from gazeclip.teacher.gaze.encoder import GazeFeatures
from gazeclip.teacher.model import GazeCLIP

TAXONOMY = Taxonomy.load("demo")
PROMPTS = [TAXONOMY.prompts(name) for name in TAXONOMY.classes()]
HYBRID = TeacherConfig(
    backbone="test_resnet",
    width=32,
    depth=2,
    heads=2,
    embed_dim=24,
    gaze=GazeConfig("small", tokens=4),
    text=TextConfig(width=16, layers=1, heads=2, context_length=24),
)
CLIP = replace(HYBRID, tower="clip", clip_model="small", clip_pretrained="none")
BOTH = pytest.mark.parametrize("config", [HYBRID, CLIP], ids=["hybrid", "clip"])


def build(config: TeacherConfig = HYBRID, size: int = 64, alive: bool = False) -> GazeCLIP:
    torch.manual_seed(0)
    model = GazeCLIP(config, PROMPTS, size)
    if model.gaze_encoder is not None:
        model.gaze_encoder.freeze()
    return awakened(model).eval() if alive else model.eval()


@torch.no_grad()
def awakened(model: GazeCLIP) -> GazeCLIP:
    """As after some training: gates are open, and the hybrid's blocks do something."""
    if model.vpe.attention is not None:
        model.vpe.gamma.fill_(0.5)
    for selector in model.lre.selectors:
        selector.beta.fill_(0.1)
    for block in getattr(model.tower, "layers", ()):
        block.attention.output.reset_parameters()
        block.mlp[2].reset_parameters()
    return model


def select_rows(features: GazeFeatures, index: torch.Tensor) -> GazeFeatures:
    """The rows `index (M,)`."""
    doubt = None if features.doubt is None else features.doubt[index]
    return GazeFeatures(features.tokens[index], features.gaze[index], doubt)


def pixels(count: int = 4, size: int = 64) -> torch.Tensor:
    return torch.randint(
        0,
        256,
        (count, 3, size, size),
        dtype=torch.uint8,
        generator=torch.Generator().manual_seed(3),
    )
