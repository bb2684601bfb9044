"""Which rows a teacher has, and what they change on images."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gazeclip.recipe.teacher import GazeConfig, TeacherConfig
from gazeclip.studies.parts.judge import Gazes, judge_batch
from gazeclip.studies.parts.rows import ABSENT, ALONE, ORDERS, WHOLE, Row, plan_rows
from gazeclip.teacher.gaze.encoder import GazeFeatures
from gazeclip.teacher.model import GazeCLIP
from tests.gazeclip.teacher import tiny

HYBRID = tiny.HYBRID
ORDER = torch.tensor([2, 0, 3, 1])


@torch.no_grad()
def judge_rows(model: GazeCLIP) -> tuple[dict[str, Row], dict[str, list[Any]]]:
    """The rows by name, and of each its settings' `(fake_logit (4,), logits (4, C))`."""
    rows = plan_rows(model)
    settings = [setting for row in rows for setting in row.settings]
    features = model.encode_gaze(tiny.pixels())
    store = None
    if features is not None:
        store = SimpleNamespace(find_features=lambda faces, _: tiny.select_rows(features, faces))
    batch = {
        "pixels": tiny.pixels(),
        "index": torch.arange(4),
        "flipped": torch.zeros(4, dtype=torch.bool),
    }
    found = judge_batch(model, batch, settings, Gazes(store, [ORDER] * ORDERS))  # type: ignore[arg-type]
    answers = iter(zip(found.fake_logit.T, found.logits.unbind(1), strict=True))
    return {row.name: row for row in rows}, {
        row.name: [next(answers) for _ in row.settings] for row in rows
    }


def test_the_whole_is_the_teacher_and_every_part_of_a_living_one_changes_it(
    alive: GazeCLIP,
) -> None:
    _, answers = judge_rows(alive)
    with torch.no_grad():
        expected = alive(tiny.pixels())
    fake_logit, logits = answers[WHOLE][0]
    assert torch.equal(fake_logit, expected.fake_logit[:, 0])
    assert torch.equal(logits, expected.logits)
    for name, found in answers.items():
        if name != WHOLE:
            assert all(not torch.equal(score, fake_logit) for score, _ in found), name
    # The head of detection names no class.
    assert torch.equal(answers["detection head off"][0][1], logits)


def test_fusion_is_the_formula_without_what_is_off(alive: GazeCLIP) -> None:
    _, answers = judge_rows(alive)
    with torch.no_grad():
        out = alive(tiny.pixels())
    by_head = (out.detection[:, 1] - out.detection[:, 0]).numpy()
    for name, logits, has_detection in (
        ("text logits off", out.attribution, True),
        ("heads off", out.text_logits, False),
        ("detection head off", (out.text_logits + out.attribution) / 2, False),
    ):
        found_fake, found_logits = answers[name][0]
        np.testing.assert_allclose(found_logits, logits, rtol=1e-5, atol=1e-5)
        odds = np.logaddexp.reduce(logits[:, 1:].numpy(), axis=1) - logits[:, 0].numpy()
        expected = (odds + by_head) / 2 if has_detection else odds
        np.testing.assert_allclose(found_fake, expected, rtol=1e-4, atol=1e-4)


def test_shuffled_faces_get_the_gaze_of_others(alive: GazeCLIP) -> None:
    _, answers = judge_rows(alive)
    with torch.no_grad():
        features: GazeFeatures | None = alive.encode_gaze(tiny.pixels())
        assert features is not None
        expected = alive(tiny.pixels(), tiny.select_rows(features, ORDER))
    assert len(answers["gaze shuffled"]) == ORDERS
    assert torch.equal(answers["gaze shuffled"][0][1], expected.logits)


def test_a_part_whose_gate_is_shut_changes_no_bit(alive: GazeCLIP) -> None:
    with torch.no_grad():
        alive.vpe.gamma.zero_()
        for selector in alive.lre.selectors:
            selector.beta.zero_()
    _, answers = judge_rows(alive)
    for name in ("VPE off", "AWS off"):
        assert torch.equal(answers[name][0][0], answers[WHOLE][0][0])
        assert torch.equal(answers[name][0][1], answers[WHOLE][0][1])


def test_classifiers_that_stayed_can_be_left_out() -> None:
    config = replace(HYBRID, keep_classifiers=True)
    model = tiny.build(config, alive=True)
    _, answers = judge_rows(model)
    with torch.no_grad():
        tokens, said = model.tower.look(tiny.pixels())
        assert said is not None
        own = model.perceive(tokens, model.encode_gaze(tiny.pixels()))
    expected = model.score(own, model.encode_text()[0]).logits
    assert torch.equal(answers["kept classifiers off"][0][1], expected)
    assert not torch.equal(answers[WHOLE][0][1], expected)


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        (
            replace(HYBRID, gaze=GazeConfig("none")),
            ["gaze shuffled", "gaze off", "VPE off", "kept classifiers off"],
        ),
        (replace(HYBRID, use_vpe=False), ["VPE off", "kept classifiers off"]),
        (
            replace(HYBRID, text=replace(HYBRID.text, aws=False, levels=2)),
            ["AWS off", "level 3 dropped", "level 4 dropped", "kept classifiers off"],
        ),
        (
            replace(HYBRID, w_detection=0.0, w_attribution=0.0),
            ["heads off", "detection head off", "kept classifiers off"],
        ),
    ],
    ids=["no-gaze", "no-vpe", "no-aws", "no-heads"],
)
def test_what_a_teacher_does_not_have_is_said(config: TeacherConfig, missing: list[str]) -> None:
    rows, _ = judge_rows(tiny.build(config))
    assert [name for name, row in rows.items() if row.absent == ABSENT] == missing
    assert all(bool(row.settings) != bool(row.absent) for row in rows.values())


def test_the_last_thing_that_names_the_class_stays() -> None:
    rows, _ = judge_rows(tiny.build(replace(HYBRID, w_attribution=0.0)))
    assert rows["text logits off"].absent == ALONE
    rows, _ = judge_rows(tiny.build(replace(HYBRID, w_nce=0.0)))
    assert rows["heads off"].absent == ALONE
    assert rows["text logits off"].absent == ABSENT
    rows, _ = judge_rows(tiny.build(replace(HYBRID, text=replace(HYBRID.text, levels=1))))
    assert rows["level 1 dropped"].absent == "cannot be dropped: the only level"
