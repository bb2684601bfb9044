"""Temperature and operating thresholds of one exported file, fitted on the calibration split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.scoring.metrics import (
    bootstrap_interval,
    ece,
    fit_temperature,
    sigmoid,
    threshold_at_fpr,
)

# Points of the ROC that bundles carry: name -> false-positive rate.
OPERATING_POINTS = {"fpr1": 0.01, "fpr0.1": 0.001}


@dataclass(frozen=True)
class Calibration:
    """What the calibration split says of one exported file.

    `temperature` divides the logits; `thresholds` are on the calibrated fake probability; `metrics`
    tell the effect.
    """

    temperature: dict[str, float]
    thresholds: dict[str, OperatingPoint]
    metrics: dict[str, Any]


def calibrate_outputs(outputs: dict[str, np.ndarray], targets: np.ndarray) -> Calibration:
    """Fit on the calibration split.

    Args:
        outputs: `logits (N, C)` and `fake_logit (N, 1)` of the exported file.
        targets: class indices `(N,)`, 0 is real.

    A threshold for a false-positive rate of f needs about 1/f real images to mean anything: with
    fewer it is marked unreliable, with the interval that says how little is known.
    """
    fake = targets != 0
    logit = outputs["fake_logit"][:, 0].astype(np.float64)
    temperature = {
        "detection": fit_temperature(logit, fake.astype(int)),
        "attribution": fit_temperature(outputs["logits"], targets),
    }
    probability = sigmoid(logit / temperature["detection"])
    real = probability[~fake]
    thresholds = {"default": OperatingPoint("default", 0.5)}
    for name, fpr in OPERATING_POINTS.items():
        interval = bootstrap_interval(lambda scores, fpr=fpr: threshold_at_fpr(scores, fpr), real)
        if interval:
            low, high = interval
            interval = (min(low, 1.0), min(high, 1.0))
        thresholds[name] = OperatingPoint(
            name,
            min(threshold_at_fpr(real, fpr), 1.0),
            n_real=len(real),
            reliable=len(real) * fpr >= 1.0,
            interval=interval,
        )
    metrics = {
        "calibration_n": len(targets),
        "ece_before": ece(fake, sigmoid(logit)),
        "ece_after": ece(fake, probability),
    }
    return Calibration(temperature, thresholds, metrics)
