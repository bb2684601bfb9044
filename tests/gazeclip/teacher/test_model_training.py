"""What the training of a whole teacher reaches, at which rates, and that it fits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gazeclip.teacher.losses import TeacherLoss
from gazeclip.teacher.model import GazeCLIP
from tests.gazeclip.teacher.tiny import BOTH, CLIP, HYBRID, PROMPTS, build, pixels


def test_rates_and_decay_by_kind():
    model = build(replace(HYBRID, deep_prompts=2))
    model.tower.pretrained = True
    groups = model.parameter_groups(1e-3, 0.1, 0.05)
    place = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in groups
        for parameter in group["params"]
    }
    found = {
        name: place[id(parameter)]
        for name, parameter in model.named_parameters()
        if id(parameter) in place
    }
    assert (
        found["vpe.gamma"]
        == found["lre.selectors.0.beta"]
        == found["lre.level_weights"]
        == (pytest.approx(0.03), 0.0)
    )
    assert found["tower.layers.0.mlp.0.weight"] == (1e-3, 0.05)
    assert (
        found["tower.layers.0.mlp.0.bias"]
        == found["tower.cls"]
        == found["tower.positions.0"]
        == found["gaze_prompts.queries"]
        == (1e-3, 0.0)
    )
    assert found["tower.deep.offsets"] == found["lre.token_embedding.weight"] == (
        1e-3,
        0.0,
    ) and found["lre.text_projection"] == (1e-3, 0.05)
    assert {rate for name, (rate, _) in found.items() if name.startswith("tower.backbone.")} == {
        1e-3 * 0.1
    }
    clip = build(replace(CLIP, gate_lr_scale=2.0))
    decay = {
        id(p): group["weight_decay"]
        for group in clip.parameter_groups(1e-3, 0.1, 0.05)
        for p in group["params"]
    }
    assert (
        decay[id(clip.tower.visual.proj)] == 0.05
        and decay[id(clip.tower.visual.positional_embedding)] == 0.0
    )


@BOTH
def test_training_reaches_everything_but_the_frozen_gaze_encoder(config):
    model = build(replace(config, deep_prompts=2, w_consistency=0.1), alive=True).train()
    before = {name: value.clone() for name, value in model.gaze_encoder.state_dict().items()}
    labels = torch.tensor([0, 1, 2, 3])
    with torch.no_grad():  # what starts at 0 would hide what lies behind it
        for norm in model.tower.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.weight.fill_(1.0)
    TeacherLoss(model.config)(model(pixels()), labels)["loss"].backward()
    assert all(parameter.grad is None for parameter in model.gaze_encoder.parameters())
    assert all(
        torch.equal(value, before[name]) for name, value in model.gaze_encoder.state_dict().items()
    )
    frozen = {id(parameter) for parameter in model.gaze_encoder.parameters()}
    silent = [
        name
        for name, p in model.named_parameters()
        if id(p) not in frozen and (p.grad is None or not p.grad.abs().any())
    ]
    # A bias added to all scores before a softmax cannot matter: the selectors' last one, and the
    # keys' of attention (which are parts of larger vectors and so do not show here).
    assert [name for name in silent if not name.endswith("score.3.bias")] == []


def test_untrained_gaze_encoder_gets_no_gradient_either():
    torch.manual_seed(0)
    model = GazeCLIP(HYBRID, PROMPTS, 64).train()
    assert not model.gaze_encoder.frozen
    assert not model.gaze_encoder.training
    TeacherLoss(HYBRID)(model(pixels()), torch.tensor([0, 1, 2, 3]))["loss"].backward()
    assert all(parameter.grad is None for parameter in model.gaze_encoder.parameters())
    grouped = {id(p) for group in model.parameter_groups(1e-3, 0.1, 0.05) for p in group["params"]}
    assert not grouped & {id(p) for p in model.gaze_encoder.parameters()}


def test_a_few_steps_fit_a_batch():
    torch.manual_seed(0)
    model = build().train()
    optimizer = torch.optim.AdamW(model.parameter_groups(2e-3, 1.0, 0.01))
    criterion, labels = TeacherLoss(HYBRID), torch.tensor([0, 1, 2, 3])
    losses = []
    for _ in range(25):
        terms = criterion(model(pixels()), labels)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        losses.append(terms["loss"].item())
    assert losses[-1] < 0.5 * losses[0]
