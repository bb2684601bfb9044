"""The two towers inside the whole teacher: positions, deep prompts, their start."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gazeclip.errors import ConfigError
from gazeclip.recipe.teacher import GazeConfig
from tests.gazeclip.teacher.tiny import BOTH, CLIP, build, pixels


@BOTH
def test_deep_prompts_start_as_the_gaze_prompts_and_matter_once_moved(config):
    model = build(replace(config, deep_prompts=2), alive=True)
    tokens, prompts = torch.randn(4, 9, 32), torch.randn(4, 4, 32)
    with torch.no_grad():
        renewed = model.tower.deep(tokens, prompts, 1)
        assert torch.equal(renewed[:, 1:5], prompts) and torch.equal(
            renewed[:, [0, 5, 6, 7, 8]], tokens[:, [0, 5, 6, 7, 8]]
        )
        assert (
            model.tower.deep(tokens, prompts, 0) is tokens
            and model.tower.deep(tokens, prompts, 2) is tokens
        )
        first = model.encode_image(pixels()).embedding
        model.tower.deep.offsets.normal_()
        second = model.encode_image(pixels()).embedding
    assert (first - second).abs().max() > 1e-3
    with pytest.raises(ConfigError, match="deep_prompts=3"):
        build(replace(config, deep_prompts=3))


@pytest.mark.parametrize("size", [64, 80, 96])
def test_hybrid_positions_follow_the_image_size(size):
    model = build(size=size)
    assert [tuple(p.shape[-2:]) for p in model.tower.positions] == [
        (-(-size // s),) * 2 for s in (16, 32)
    ]
    assert model(pixels(2, size)).embedding.shape == (2, 24)
    assert model(pixels(2, 64)).embedding.shape == (
        2,
        24,
    )  # another size resizes the position tables


def test_hybrid_tells_where_things_are():
    """Learned positions: moving a patch changes the embedding even where content is the same."""
    model = build(alive=True)
    image = pixels(1)
    with torch.no_grad():
        gaze = model.encode_gaze(image)
        plain = model.encode_image(image, gaze).embedding
        model.tower.positions[0].copy_(model.tower.positions[0].flip(-1))
        moved = model.encode_image(image, gaze).embedding
    assert (plain - moved).abs().max() > 1e-5


def test_the_hybrid_starts_as_a_linear_map_of_what_a_classifier_is_given():
    model = build()
    tower = model.tower
    with torch.no_grad():
        pooled = tower.backbone(
            (pixels().float() / 255 - tower.mean) / tower.std
        )  # timm's own forward, without a classifier
        expected = tower.project(tower.ln_pre(tower.cls[:, 0] + tower.pooled(pooled)))
        torch.testing.assert_close(
            tower(pixels(), torch.randn(4, 3, 32)), expected, rtol=1e-4, atol=1e-5
        )


def test_clip_tower_without_prompts_equals_open_clip():
    model = build(replace(CLIP, gaze=GazeConfig("none")))
    x = (pixels().float() / 255 - model.tower.mean) / model.tower.std
    with torch.no_grad():
        torch.testing.assert_close(
            model.tower(pixels()), model.tower.visual(x), rtol=1e-4, atol=1e-5
        )
