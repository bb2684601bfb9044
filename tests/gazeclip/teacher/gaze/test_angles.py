"""The convention of the angles, their error and their loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gazeclip.teacher.gaze.angles import angular_error, gaze_loss, gaze_vector


def test_gaze_vector_convention():
    straight, up, left = gaze_vector(torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]]))
    torch.testing.assert_close(straight, torch.tensor([0.0, 0.0, -1.0]))  # towards the camera
    assert up[1] < 0  # y points down, so positive pitch looks up
    assert left[0] < 0  # positive yaw looks to the left of the picture


def test_angular_error_equals_arccos_of_the_dot_product():
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.rand(50, 2, generator=generator, dtype=torch.float64) * 2 - 1 for _ in range(2))
    dot = (gaze_vector(a).numpy() * gaze_vector(b).numpy()).sum(1)
    # float64: arccos loses half the digits near 0, so 1e-7 is what the reference can give.
    np.testing.assert_allclose(
        angular_error(a, b).numpy(), np.arccos(np.clip(dot, -1, 1)), atol=1e-7
    )


def test_gaze_loss_has_finite_gradients_at_the_target_and_skips_unlabelled():
    pred = torch.tensor([[0.1, 0.2], [0.3, 0.4]], requires_grad=True)
    target = torch.tensor([[0.1, 0.2], [math.nan, math.nan]])
    loss = gaze_loss(pred, target)
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert torch.isfinite(pred.grad).all()
    assert gaze_loss(pred, target[1:].expand(2, 2)).item() == 0.0
