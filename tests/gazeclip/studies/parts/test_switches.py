"""Each switch does what it says against a formula of its own, and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from gazeclip.studies.parts import switches
from gazeclip.teacher.model import GazeCLIP
from tests.gazeclip.teacher import tiny


def look(model: GazeCLIP) -> Any:
    with torch.no_grad():
        return model(tiny.pixels())


def differ(one: torch.Tensor, other: torch.Tensor) -> bool:
    return not torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    "switch",
    [
        switches.close_vpe,
        switches.silence_gaze,
        lambda model: switches.leave_out(model, ["w_nce"]),
        lambda model: switches.hold_values([model.lre.selectors[0].beta], 0.0),
    ],
    ids=["vpe", "gaze", "fusion", "beta"],
)
def test_a_switch_changes_the_answers_and_leaves_no_trace(
    alive: GazeCLIP, switch: Callable[[GazeCLIP], Any]
) -> None:
    before = look(alive)
    state = {name: value.clone() for name, value in alive.state_dict().items()}
    with switch(alive):
        without = look(alive)
    assert differ(without.fake_logit, before.fake_logit)
    with pytest.raises(KeyError), switch(alive):
        raise KeyError  # a fault inside must not leave the part off
    after = look(alive)
    assert torch.equal(after.logits, before.logits)
    assert torch.equal(after.fake_logit, before.fake_logit)
    assert all(torch.equal(value, state[name]) for name, value in alive.state_dict().items())
    assert all(parameter.requires_grad for parameter in alive.lre.parameters())


def test_without_gaze_an_image_is_as_dropout_shows_it(alive: GazeCLIP) -> None:
    alive.config = replace(alive.config, gaze=replace(alive.config.gaze, dropout=0.999999))
    alive.training = True  # of the model alone: its layers stay in eval mode
    dropped = look(alive)
    alive.training = False
    with switches.silence_gaze(alive):
        off = look(alive)
    assert torch.equal(off.fake_logit, dropped.fake_logit)


def test_without_vpe_the_embedding_is_a_layer_norm_of_the_image_side(alive: GazeCLIP) -> None:
    pixels = tiny.pixels()
    with torch.no_grad(), switches.close_vpe(alive):
        found = alive.encode_image(pixels).embedding
        prompts = alive.gaze_prompts(alive.encode_gaze(pixels))
        expected = F.normalize(alive.vpe.norm(alive.tower(pixels, prompts)), dim=-1)
    torch.testing.assert_close(found, expected)


def test_without_selectors_the_texts_are_those_of_a_side_that_has_none(alive: GazeCLIP) -> None:
    with torch.no_grad():
        whole = switches.encode_texts(alive)[0]
        found = switches.encode_without_words(alive)
        assert torch.equal(switches.encode_texts(alive)[0], whole)
        alive.lre.selectors = torch.nn.ModuleList()
        assert torch.equal(found, switches.encode_texts(alive)[0])
    assert differ(found, whole)


@pytest.mark.parametrize("number", range(4))
def test_a_dropped_level_leaves_the_mix_of_the_others(alive: GazeCLIP, number: int) -> None:
    with torch.no_grad():
        alive.lre.level_weights.copy_(torch.tensor([0.3, -0.2, 0.1, 0.9]))
        levels = switches.encode_texts(alive)[1]
        found = switches.mix_without_level(alive, levels, number)
        rest = [other for other in range(4) if other != number]
        weights = alive.lre.level_weights[rest].exp()
        mixed = torch.einsum("l,cld->cd", weights / weights.sum(), levels[:, rest])
    torch.testing.assert_close(found, mixed / mixed.norm(dim=1, keepdim=True))
    torch.testing.assert_close(alive.lre.level_weights, torch.tensor([0.3, -0.2, 0.1, 0.9]))


def test_random_texts_are_unit_vectors_that_a_seed_repeats() -> None:
    first, second = switches.draw_random_texts(6, 24, 2)
    torch.testing.assert_close(first.norm(dim=1), torch.ones(6))
    assert differ(first, second)
    assert torch.equal(first, switches.draw_random_texts(6, 24, 2)[0])


def test_a_frozen_text_side_does_not_answer_from_what_it_keeps() -> None:
    text = replace(tiny.CLIP.text, frozen=True)
    model = tiny.build(replace(tiny.CLIP, text=text), alive=True)
    with torch.no_grad():
        kept = model.encode_text()[0]
        assert torch.equal(switches.encode_texts(model)[0], kept)
        assert differ(switches.encode_without_words(model), kept)
