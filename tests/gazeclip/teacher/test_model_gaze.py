"""The gaze path of the whole teacher: it is alive, it teaches, and it can be left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gazeclip.errors import ConfigError
from gazeclip.recipe.teacher import GazeConfig
from gazeclip.teacher.gaze.encoder import GazeFeatures
from gazeclip.teacher.losses import TeacherLoss
from gazeclip.teacher.model import GazeCLIP
from tests.gazeclip.teacher.tiny import BOTH, HYBRID, PROMPTS, build, pixels, select_rows

LABELS = torch.tensor([0, 1] * 8)
GREY = torch.full((16, 3, 64, 64), 127, dtype=torch.uint8)


def faces(model: GazeCLIP) -> GazeFeatures:
    """Reals look to one side, forgeries to the other; the encoder's feature map says so too."""
    yaw = (2.0 * LABELS - 1.0) * 0.5 + 0.1 * torch.randn(16)
    angles = torch.stack((0.1 * torch.randn(16), yaw), dim=1)
    return GazeFeatures(
        yaw[:, None, None] * torch.linspace(-1, 1, model.gaze_encoder.channels)
        + 0.1 * torch.randn(16, 4, 1),
        angles,
    )


def learn_from_gaze_alone(
    model: GazeCLIP, optimizer: torch.optim.Optimizer, steps: int
) -> tuple[float, float]:
    """Accuracy with the own gaze and with another's, where only the gaze differs by class."""
    criterion = TeacherLoss(model.config)
    for _ in range(steps):
        optimizer.zero_grad()
        criterion(model(GREY, faces(model)), LABELS)["loss"].backward()
        optimizer.step()
    gaze = faces(model)
    with torch.no_grad():
        own = (model(GREY, gaze).logits[:, :2].argmax(1) == LABELS).float().mean()
        others = select_rows(gaze, torch.arange(16).roll(1))
        other = (model(GREY, others).logits[:, :2].argmax(1) == LABELS).float().mean()
    return float(own), float(other)


@BOTH
@pytest.mark.parametrize(("prompts", "vpe"), [(True, False), (False, True), (True, True)])
def test_gaze_path_is_alive(config, prompts, vpe):
    """Another face's gaze changes the embedding: by prompts, by cross-attention, by both."""
    model = build(
        replace(config, use_vpe=vpe, gaze=replace(config.gaze, prompts=prompts)), alive=True
    )
    gaze = model.encode_gaze(pixels())
    with torch.no_grad():
        own = model.encode_image(pixels(), gaze).embedding
        others = select_rows(gaze, torch.tensor([1, 2, 3, 0]))
        shuffled = model.encode_image(pixels(), others).embedding
        turned = model.encode_image(pixels(), GazeFeatures(gaze.tokens, gaze.gaze + 0.5)).embedding
    assert (own - shuffled).norm(dim=1).min() > 1e-4  # rounding makes 1e-6
    if prompts:  # the angles themselves matter too, not only the feature map
        assert (own - turned).norm(dim=1).min() > 1e-3
    torch.testing.assert_close(
        own, model.encode_image(pixels()).embedding.detach()
    )  # precomputed = computed


@BOTH
@pytest.mark.parametrize(("prompts", "vpe"), [(True, False), (False, True)])
def test_shuffled_gaze_lowers_the_score(config, prompts, vpe):
    """Convolutions have nothing to learn on grey squares, so the hybrid's stay as they are."""
    torch.manual_seed(0)
    model = build(
        replace(
            config,
            frozen_stride=32 if config.tower == "hybrid" else 0,
            use_vpe=vpe,
            gaze=replace(config.gaze, prompts=prompts),
            text=replace(config.text, levels=2),
        ),
        alive=True,
    )
    own, other = learn_from_gaze_alone(
        model, torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3), 25
    )
    assert own > 0.9
    assert other < 0.3  # rolled by one, every face gets the gaze of the other class


def test_gates_open_by_themselves_at_the_rates_of_a_recipe():
    """gamma starts at 0, and a training of real length has a few hundred steps of at most 5e-4.

    On grey squares the convolutions have nothing to learn, so they stay as they are.
    """
    torch.manual_seed(0)
    gaze = replace(HYBRID.gaze, prompts=False)
    text = replace(HYBRID.text, levels=2)
    model = build(replace(HYBRID, frozen_stride=32, gaze=gaze, text=text))
    own, other = learn_from_gaze_alone(
        model, torch.optim.AdamW(model.parameter_groups(5e-4, 0.2, 0.05)), 50
    )
    assert abs(float(model.vpe.gamma)) > 0.1
    assert own > 0.9 and other < 0.3


def test_without_gaze_nothing_of_it_remains():
    model = build(replace(HYBRID, gaze=GazeConfig("none")))
    out = model(pixels())
    assert model.encode_gaze(pixels()) is None
    assert torch.isnan(out.gaze).all()
    assert torch.isfinite(out.logits).all()
    assert not any("gaze" in name or "vpe.attention" in name for name in model.state_dict())


def test_a_gaze_encoder_for_a_teacher_without_gaze_is_refused():
    encoder = build().gaze_encoder
    with pytest.raises(ConfigError, match="none"):
        GazeCLIP(replace(HYBRID, gaze=GazeConfig("none")), PROMPTS, 64, gaze_encoder=encoder)
