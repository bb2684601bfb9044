"""The bounded angles of the gaze head and their range."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from distill.losses import GazeLoss
from gazeclip.networks.gaze_head import LIMIT, MIN_SPREAD, GazeHead


def test_range_is_that_of_the_rows_that_have_a_gaze() -> None:
    generator = np.random.default_rng(0)
    gaze = generator.normal((0.1, -0.2), (0.05, 0.3), (40, 3, 2))
    gaze[5, 1, 0] = np.nan
    gaze[9] = np.nan
    known = gaze.reshape(-1, 2)[~np.isnan(gaze.reshape(-1, 2)).any(1)]
    head = GazeHead(8)
    head.fit_range(torch.from_numpy(gaze))
    np.testing.assert_allclose(head.mean, known.mean(0), rtol=1e-5)
    np.testing.assert_allclose(head.spread, known.std(0), rtol=1e-5)


def test_a_teacher_without_gaze_leaves_the_range() -> None:
    head = GazeHead(8)
    head.fit_range(torch.full((6, 2), float("nan")))
    assert head.mean.tolist() == [0.0, 0.0] and head.spread.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("weight", "angle"), [(1.0, float("nan")), (0.0, 0.3)])
def test_without_a_gaze_to_learn_it_stays_untrained(weight: float, angle: float) -> None:
    head, moved = train_beside_another(weight, angle)
    assert moved
    assert not head.is_trained


def test_with_a_gaze_it_is_trained_after_a_step() -> None:
    head, _ = train_beside_another(1.0, 0.3, steps=1)
    assert head.is_trained


def train_beside_another(weight: float, angle: float, steps: int = 5) -> tuple[GazeHead, bool]:
    """A head after steps of distillation, and whether another head of the same loss moved."""
    torch.manual_seed(0)
    head = GazeHead(8)
    assert not head.is_trained
    teacher = torch.full((6, 2), angle)
    head.fit_range(teacher)
    loss = GazeLoss(head.spread)
    other = torch.nn.Linear(8, 1)
    parameters = [*head.parameters(), *other.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1)
    before = other.bias.item()
    for _ in range(steps):
        features = torch.randn(6, 8)
        optimizer.zero_grad()
        (weight * loss(head(features), teacher) + other(features).pow(2).mean()).backward()
        optimizer.step()
    return head, other.bias.item() != before


def test_a_gaze_that_never_varies_has_a_spread_all_the_same() -> None:
    head = GazeHead(8)
    head.fit_range(torch.full((6, 2), 0.25))
    np.testing.assert_allclose(head.spread, MIN_SPREAD)
    np.testing.assert_allclose(head.mean, 0.25)


def test_angles_follow_the_linear_layer_nearby_and_end_at_the_limit() -> None:
    head = GazeHead(1)
    head.fit_range(torch.tensor([[0.0, -0.3], [0.2, 0.1]]))
    with torch.no_grad():
        head.linear.weight.fill_(1.0)
    found = head(torch.tensor([[0.5], [1e6], [-1e6], [0.0]])).detach().numpy()
    mean, spread = head.mean.numpy(), head.spread.numpy()
    near = LIMIT * math.tanh(0.5 / LIMIT)
    assert abs(near - 0.5) < 0.01
    np.testing.assert_allclose(found[0], mean + near * spread, rtol=1e-5)
    np.testing.assert_allclose(found[1], mean + LIMIT * spread, rtol=1e-5)
    np.testing.assert_allclose(found[2], mean - LIMIT * spread, rtol=1e-5)
    np.testing.assert_allclose(found[3], mean, rtol=1e-6)
