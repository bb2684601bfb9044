"""The hybrid tower: folded tokens, frozen convolutions, several CNNs."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from gazeclip.errors import ConfigError
from gazeclip.teacher.image.hybrid import _fold_maps
from gazeclip.teacher.losses import TeacherLoss
from gazeclip.teacher.model import GazeCLIP
from tests.gazeclip.teacher.tiny import CLIP, HYBRID, PROMPTS, build, pixels


@pytest.mark.parametrize("sides", [(4, 2), (5, 3)])
def test_fold_puts_the_four_fine_cells_beside_the_coarse_one(sides):
    fine, coarse = torch.randn(2, 3, sides[0], sides[0]), torch.randn(2, 5, sides[1], sides[1])
    folded = _fold_maps(fine, coarse)
    assert folded.shape == (2, 4 * 3 + 5, sides[1], sides[1])
    for row in range(sides[1]):
        for column in range(sides[1]):
            cells = [
                fine[:, :, r, c] if r < sides[0] and c < sides[0] else torch.zeros(2, 3)
                for r in (2 * row, 2 * row + 1)
                for c in (2 * column, 2 * column + 1)
            ]
            expected = torch.stack(cells, 2).flatten(1)
            assert torch.equal(folded[:, :12, row, column], expected)
    assert torch.equal(folded[:, 12:], coarse)


@pytest.mark.parametrize(("size", "side"), [(64, 2), (80, 3)])
def test_a_folded_tower_has_a_token_per_coarse_cell(size, side):
    model = build(replace(HYBRID, folded=True), size)
    assert model.tower.tokens(pixels(2, size)).shape == (2, 1 + side * side, HYBRID.width)
    assert model(pixels(2, size)).embedding.shape == (2, 24)


@pytest.mark.parametrize("weights", ["none", "residual"])
def test_convolutions_drawn_at_random_are_not_called_pretrained(weights):
    """Or they would train at the rate of pretrained ones."""
    config = replace(HYBRID, backbone="mobilenetv4_conv_small_050", backbone_weights=weights)
    tower = build(config).tower
    assert tower.pretrained_parameters() == []
    tower.adopt([copy.deepcopy(tower.backbone)])
    assert tower.pretrained_parameters()


def maps_of(tower, x):
    """stride -> the last map at it, and 0 -> what the classifier is given."""
    tower.eval()
    with torch.no_grad():
        last, maps = tower.forward_intermediates(x)
        return {x.shape[-1] // found.shape[-1]: found for found in maps} | {
            0: tower.forward_head(last, pre_logits=True)
        }


@pytest.mark.parametrize(("stride", "free"), [(8, {0, 16, 32}), (16, {0, 32}), (32, set())])
@pytest.mark.parametrize(
    "backbone", ["tf_efficientnet_lite0", "mobilenetv4_conv_small_050", "resnet18"]
)
def test_frozen_stride_stops_training_there_and_nowhere_else(backbone, stride, free):
    model = build(replace(HYBRID, backbone=backbone, frozen_stride=stride)).train()
    tower, before = (
        model.tower.backbone,
        {name: value.clone() for name, value in model.tower.backbone.state_dict().items()},
    )
    x = torch.randn(2, 3, 64, 64)
    maps = maps_of(tower, x)
    model.train()
    optimizer = torch.optim.AdamW(model.parameter_groups(1e-2, 1.0, 0.05))
    for _ in range(2):
        optimizer.zero_grad()
        TeacherLoss(model.config)(model(pixels()), torch.tensor([0, 1, 2, 3]))["loss"].backward()
        optimizer.step()
    after = tower.state_dict()
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    again = maps_of(tower, x)
    assert {at for at in maps if not torch.equal(maps[at], again[at])} == free and bool(
        moved
    ) == bool(free)
    trained = {name for name, parameter in tower.named_parameters() if parameter.requires_grad}
    assert trained <= set(moved)


@pytest.mark.parametrize("base", [HYBRID, CLIP], ids=["hybrid", "clip"])
def test_the_tower_enlarges_its_images_as_pillow_does(base):
    """A tower that enlarges 64 px to 96 gives what one without does for enlarged images."""
    torch.manual_seed(0)
    large = GazeCLIP(replace(base, input_size=96), PROMPTS, 64).eval()
    plain = GazeCLIP(base, PROMPTS, 96).eval()
    plain.load_state_dict(large.state_dict())
    smooth = F.interpolate(torch.rand(4, 3, 8, 8), size=(64, 64), mode="bicubic").clamp(
        0.1, 0.9
    )  # nothing that rounding or clipping would change
    small = (255 * smooth).round().to(torch.uint8)
    by_pillow = [
        Image.fromarray(face.permute(1, 2, 0).numpy()).resize((96, 96), Image.Resampling.BICUBIC)
        for face in small
    ]
    expected = torch.stack(
        [torch.from_numpy(np.array(face)).permute(2, 0, 1) for face in by_pillow]
    )
    with torch.no_grad():
        ours, theirs = large.tower.tokens(small), plain.tower.tokens(expected)
        assert ours.shape == theirs.shape
        difference = (ours - theirs).norm() / theirs.norm()
    assert difference < 0.02, difference


def test_every_cnn_reaches_the_class_token_and_is_saved_frozen_and_trained_like_the_first(tmp_path):
    model = build(replace(HYBRID, extra_sizes=(96,), frozen_stride=32))
    with torch.no_grad():
        before = model.tower.tokens(pixels())
        next(model.tower.extra[0].parameters()).mul_(1.5)
        after = model.tower.tokens(pixels())
    assert (before - after)[:, 0].abs().max() > 1e-4 and torch.equal(before[:, 1:], after[:, 1:])
    assert (
        not any(p.requires_grad for p in model.tower.extra.parameters())
        and not model.train().tower.extra[0].bn1.training
    )
    model.save(tmp_path)
    loaded = GazeCLIP.load(tmp_path)
    assert loaded.config == model.config
    torch.testing.assert_close(loaded.tower.tokens(pixels()), model.eval().tower.tokens(pixels()))
    free = build(replace(HYBRID, extra_sizes=(96,)))
    free.tower.adopt((free.tower.backbone, *free.tower.extra))
    slow = {
        id(p)
        for group in free.parameter_groups(1.0, 0.1, 0.0)
        if group["lr"] == 0.1
        for p in group["params"]
    }
    assert slow == {
        id(p) for cnn in (free.tower.backbone, *free.tower.extra) for p in cnn.parameters()
    }


@pytest.mark.parametrize(
    ("backbone", "why"),
    [("vit_tiny_patch16_224", "takes images of one size only"), ("test_vit", "takes images|lacks")],
)
def test_a_network_without_maps_is_refused(backbone, why):
    with pytest.raises(ConfigError, match=why):
        build(replace(HYBRID, backbone=backbone))
