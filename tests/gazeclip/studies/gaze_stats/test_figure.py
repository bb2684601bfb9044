"""Density and contours of the figure."""

from __future__ import annotations

import numpy as np
import pytest

from gazeclip.studies.gaze_stats import figure
from tests.gazeclip.studies.gaze_stats.manifests import (
    draw,
)


def test_contours_hold_their_share() -> None:
    x = np.linspace(-5, 5, 201)
    density = np.exp(-0.5 * (x[:, None] ** 2 + x[None] ** 2))
    outer, inner = figure.contour_levels(density)
    # a normal distribution in the plane has mass 1 - m outside the level m of its peak
    assert outer == pytest.approx(0.1, abs=0.01) and inner == pytest.approx(0.5, abs=0.01)


def test_kernel_density_follows_the_points() -> None:
    points = draw(0).multivariate_normal((0.5, -0.2), [[0.09, 0.05], [0.05, 0.04]], 800)
    x = y = np.linspace(-1.5, 1.5, 90)
    density = figure.kernel_density(points, x, y)
    share = density / density.sum()
    assert (share.sum(axis=0) * x).sum() == pytest.approx(points[:, 0].mean(), abs=0.01)
    covariance = (share * np.outer(y, x)).sum() - (share.sum(axis=0) * x).sum() * (
        share.sum(axis=1) * y
    ).sum()
    assert covariance == pytest.approx(
        0.05 * (1 + 800 ** (-1 / 3)), rel=0.1
    )  # the kernels widen it
