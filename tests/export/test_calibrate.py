"""Temperatures and thresholds of an exported file against a grid search and counting."""

from __future__ import annotations

import numpy as np
import pytest

from export.calibrate import OPERATING_POINTS, calibrate_outputs
from gazeclip.bundle.contents import OperatingPoint


def data(n: int, scale: float = 1.0, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Logits that are `scale` times too confident; the labels are drawn from the honest ones."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 4)) * 2
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    targets = (rng.random((n, 1)) > np.cumsum(p, 1)[:, :-1]).sum(1)
    fake = np.log((1 - p[:, :1]) / p[:, :1])
    return {
        "logits": (scale * logits).astype(np.float32),
        "fake_logit": (scale * fake).astype(np.float32),
    }, targets


def grid_minimum(loss) -> float:
    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 3000))
    return float(grid[np.argmin([loss(t) for t in grid])])


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_temperatures_minimise_the_loss(scale: float) -> None:
    outputs, targets = data(600, scale)
    logits, fake_logit, fake = (
        outputs["logits"].astype(float),
        outputs["fake_logit"][:, 0].astype(float),
        targets != 0,
    )

    def attribution(t: float) -> float:
        scaled = logits / t
        return float(
            np.mean(np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(targets)), targets])
        )

    def detection(t: float) -> float:
        p = 1 / (1 + np.exp(-fake_logit / t))
        return -float(np.mean(np.log(np.where(fake, p, 1 - p) + 1e-300)))

    found = calibrate_outputs(outputs, targets).temperature
    assert found["attribution"] == pytest.approx(grid_minimum(attribution), rel=5e-3)
    assert found["detection"] == pytest.approx(grid_minimum(detection), rel=5e-3)
    assert found["detection"] == pytest.approx(scale, rel=0.25)


def test_thresholds_keep_their_rates_on_the_calibrated_probability() -> None:
    outputs, targets = data(5000, 3.0)
    result = calibrate_outputs(outputs, targets)
    real = 1 / (
        1
        + np.exp(
            -outputs["fake_logit"][targets == 0, 0].astype(float) / result.temperature["detection"]
        )
    )
    assert result.thresholds["default"] == OperatingPoint("default", 0.5)
    for name, fpr in OPERATING_POINTS.items():
        entry = result.thresholds[name]
        # The threshold is the float just above a score; another formula of the sigmoid may round to
        # either side of it.
        passed = int((real >= entry.threshold + 1e-12).sum())
        assert passed == int(fpr * len(real))
        # And no lower threshold would do.
        assert (real >= entry.threshold - 1e-12).sum() == passed + 1
        assert entry.n_real == len(real)
        assert entry.interval is not None
        low, high = entry.interval
        assert low <= entry.threshold <= high <= 1.0
    assert 0.5 < result.thresholds["fpr1"].threshold < result.thresholds["fpr0.1"].threshold


def test_few_reals_are_marked_unreliable() -> None:
    for n_real, reliable in ((99, (False, False)), (100, (True, False)), (1000, (True, True))):
        logit = np.linspace(-3, 1, n_real)
        outputs = {
            "fake_logit": np.append(logit, [0.0, 2.0])[:, None].astype(np.float32),
            "logits": np.zeros((n_real + 2, 2), np.float32),
        }
        thresholds = calibrate_outputs(outputs, np.append(np.zeros(n_real, int), [1, 1])).thresholds
        assert (thresholds["fpr1"].reliable, thresholds["fpr0.1"].reliable) == reliable


def test_calibration_helps_and_says_how_much() -> None:
    outputs, targets = data(3000, 4.0)
    metrics = calibrate_outputs(outputs, targets).metrics
    assert metrics["calibration_n"] == 3000
    assert metrics["ece_after"] < 0.5 * metrics["ece_before"]
    confident = 1 / (1 + np.exp(-outputs["fake_logit"][:, 0].astype(float)))
    bins = np.minimum((confident * 15).astype(int), 14)
    gaps = [abs((targets != 0)[bins == b].sum() - confident[bins == b].sum()) for b in range(15)]
    assert metrics["ece_before"] == pytest.approx(sum(gaps) / 3000)
