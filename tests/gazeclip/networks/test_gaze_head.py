"""The bounded angles of the gaze head and their range."""

from __future__ import annotations

import math

import numpy as np
import torch

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
