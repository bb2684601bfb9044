"""What a teacher can be built with besides its plain form: parts of the gaze, levels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gazeclip.errors import ConfigError, StageError
from gazeclip.recipe.teacher import TeacherConfig
from gazeclip.teacher.gaze.encoder import GazeFeatures
from gazeclip.teacher.model import GazeCLIP
from tests.gazeclip.teacher.tiny import HYBRID, PROMPTS, build, pixels, select_rows

ORDER = torch.tensor([1, 2, 3, 0])


def with_gaze(**changes) -> TeacherConfig:
    return replace(HYBRID, gaze=replace(HYBRID.gaze, **changes))


def embeddings(model: GazeCLIP, *gazes: GazeFeatures) -> list[torch.Tensor]:
    with torch.no_grad():
        return [model.encode_image(pixels(), gaze).embedding for gaze in gazes]


@pytest.mark.parametrize(
    ("signal", "sees_map", "sees_angles"),
    [("both", True, True), ("features", True, False), ("vector", False, True)],
)
def test_signal_chooses_what_of_the_gaze_enters(signal, sees_map, sees_angles):
    model = build(with_gaze(signal=signal), alive=True)
    gaze = model.encode_gaze(pixels())
    own, other_map, other_angles = embeddings(
        model,
        gaze,
        GazeFeatures(gaze.tokens[ORDER], gaze.gaze),
        GazeFeatures(gaze.tokens, gaze.gaze + 0.5),
    )
    assert ((own - other_map).abs().max() > 1e-4) == sees_map  # rounding makes 1e-7
    assert ((own - other_angles).abs().max() > 1e-4) == sees_angles


def test_doubt_is_zero_for_a_symmetric_picture_and_enters_when_asked():
    model, plain = build(with_gaze(doubt=True), alive=True), build(HYBRID)
    symmetric = torch.cat((pixels()[..., :32], pixels()[..., :32].flip(-1)), dim=-1)
    doubt = model.encode_gaze(symmetric).doubt
    gaze = model.encode_gaze(symmetric).gaze
    torch.testing.assert_close(
        doubt, torch.stack((torch.zeros(4), 2 * gaze[:, 1]), 1), atol=1e-5, rtol=1e-4
    )  # the angles are those of one picture
    assert plain.encode_gaze(pixels()).doubt is None
    gaze = model.encode_gaze(pixels())
    assert gaze.doubt.shape == (4, 2)
    own, other = embeddings(model, gaze, replace(gaze, doubt=gaze.doubt + 0.5))
    assert (own - other).abs().max() > 1e-4
    with pytest.raises(StageError, match=r"mirror image.*gaze\.doubt=false"):
        model.encode_image(pixels(), replace(gaze, doubt=None))
    with pytest.raises(ConfigError, match=r"gaze\.doubt is part of the vector"):
        with_gaze(doubt=True, signal="features")


def test_gaze_dropout_hides_the_gaze_in_training_only():
    model = build(with_gaze(dropout=0.999999), alive=True)
    gaze = model.encode_gaze(pixels())
    own, other = embeddings(model, gaze, select_rows(gaze, ORDER))
    assert (own - other).abs().max() > 1e-4
    model.train()
    model.tower.backbone.eval()  # its batch statistics are not what is looked at
    own, other = embeddings(model, gaze, select_rows(gaze, ORDER))
    assert torch.equal(own, other)


def test_gaze_dropout_hides_its_share_image_by_image(monkeypatch):
    model, seen = build(with_gaze(dropout=0.25), alive=True).train(), []
    gaze = select_rows(model.encode_gaze(pixels()), torch.arange(4).repeat(200))
    monkeypatch.setattr(
        model.tower,
        "attend",
        lambda tokens, prompts: seen.append(prompts) or torch.zeros(800, model.embed_dim),
    )
    torch.manual_seed(0)
    model.perceive(torch.zeros(800, 1, model.tower.width), gaze)
    hidden = (seen[0] == 0).flatten(1)
    assert (hidden.all(1) | ~hidden.any(1)).all()  # a face's prompts go together
    assert hidden.all(1).float().mean().item() == pytest.approx(0.25, abs=0.05)


def test_gaze_alone_depends_on_the_gaze_and_on_nothing_of_the_image():
    model = build(replace(HYBRID, w_gaze=1.0), alive=True)
    gaze = model.encode_gaze(pixels())
    with torch.no_grad():
        own = model(pixels(), gaze)
        other_images = model(pixels().flip(0), gaze)
        other_gaze = model(pixels(), select_rows(gaze, ORDER))
    assert (own.attribution - other_images.attribution).abs().max() > 1e-4
    torch.testing.assert_close(own.gaze_attribution, other_images.gaze_attribution)
    torch.testing.assert_close(own.gaze_attribution[ORDER], other_gaze.gaze_attribution)
    assert (own.gaze_attribution - other_gaze.gaze_attribution).abs().max() > 1e-4
    assert build()(pixels()).gaze_attribution is None  # the loss does not want it


def test_gaze_alone_is_judged_by_the_head_and_does_not_train_it():
    model = build(replace(HYBRID, w_gaze=1.0), alive=True)
    seen = []
    model.vpe.norm.register_forward_hook(lambda module, inputs, v: seen.append(v))
    said = model(pixels()).gaze_attribution
    torch.testing.assert_close(said, model.heads.attribution(seen[-1]))
    said.square().sum().backward()
    assert model.heads.attribution.weight.grad is None
    assert model.vpe.attention.key_value.weight.grad.abs().max() > 0


def test_gaze_alone_is_left_out_where_there_is_none():
    for config in (with_gaze(kind="none"), replace(HYBRID, use_vpe=False)):
        model = build(replace(config, w_gaze=1.0))
        assert model(pixels()).gaze_attribution is None


def test_levels_are_scored_only_where_the_loss_wants_them():
    assert build()(pixels()).level_logits is None
    out = build(replace(HYBRID, w_levels=1.0))(pixels())
    assert out.level_logits.shape == (4, len(PROMPTS), 4)
    assert out.level_counts[0].tolist() == [1, 1, 1, 1]  # real shares no prompt
    assert out.level_counts[1, 0] == len(PROMPTS) - 1  # and all others are fake


def test_gates_are_told():
    gates = build().read_gates()
    assert set(gates) == {"vpe.gamma", "lre.selectors.0.beta", "lre.level_weights"}
    assert gates["lre.level_weights"] == [0.0] * 4
