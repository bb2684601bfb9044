"""Evidence, thresholds and temperature of one exported file, fitted on the calibration split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.errors import StageError
from gazeclip.scoring.evidence import Evidence, fit_evidence, measure_evidence
from gazeclip.scoring.metrics import fit_temperature
from gazeclip.scoring.thresholds import CONFIDENCE, place_fake_limit, place_real_limit

# Operating points that bundles carry: name -> rate of false alarms.
OPERATING_POINTS = {"fpr1": 0.01, "fpr0.1": 0.001}


@dataclass(frozen=True)
class Calibration:
    """What the calibration split says of one exported file.

    `temperature` divides the attribution logits; `thresholds` are on the LLR of `evidence`;
    `metrics` tell how good that is on the very images it was fitted on.
    """

    temperature: dict[str, float]
    evidence: Evidence
    thresholds: dict[str, OperatingPoint]
    metrics: dict[str, Any]


def calibrate_outputs(
    outputs: dict[str, np.ndarray],
    targets: np.ndarray,
    persons: Sequence[str] | None = None,
    target_miss: float = 0.05,
) -> Calibration:
    """Fit on the calibration split.

    Args:
        outputs: `logits (N, C)` and `fake_logit (N, 1)` of the exported file.
        targets: class indices `(N,)`, 0 is real.
        persons: who is seen on each image, so that cross-validation keeps a person together.
        target_miss: rate of forgeries that may be called real.

    Raises:
        StageError: real or forged images are missing.
    """
    fake = targets != 0
    if fake.all() or not fake.any():
        raise StageError(
            "the calibration split needs real and forged images",
            remedy="Give the manifest rows of both kinds with split 'calibration'",
        )
    fake_logit = outputs["fake_logit"]
    logits = outputs["logits"]
    clusters = None if persons is None else np.array(persons)
    evidence = fit_evidence(fake_logit, logits, fake, clusters)
    llr = evidence.weigh_unlimited(fake_logit, logits)
    thresholds = {
        name: place_point(name, llr, fake, fpr, target_miss)
        for name, fpr in OPERATING_POINTS.items()
    }
    limits = [limit for p in thresholds.values() for limit in (p.fake_from, p.real_below)]
    evidence = evidence.widen(*limits)
    metrics = {
        "calibration_n": len(targets),
        "confidence": CONFIDENCE,
        **measure_evidence(evidence.weigh(fake_logit, logits), fake),
    }
    temperature = {"attribution": fit_temperature(logits, targets)}
    return Calibration(temperature, evidence, thresholds, metrics)


def place_point(
    name: str, llr: np.ndarray, fake: np.ndarray, target_fpr: float, target_miss: float
) -> OperatingPoint:
    """Both thresholds from the LLRs `(N,)` of calibration images, `fake (N,)` bool.

    The evidence was fitted on the same images. Of one score that changes no order, so the bounds
    are exact; of two it chose the ratio of their weights, one number from all images.
    """
    alarms = place_fake_limit(llr[~fake], target_fpr)
    misses = place_real_limit(llr[fake], target_miss)
    return OperatingPoint(
        name,
        fake_from=alarms.threshold,
        real_below=misses.threshold,
        target_fpr=target_fpr,
        target_miss=target_miss,
        fpr_bound=alarms.bound,
        miss_bound=misses.bound,
        n_real=alarms.n,
        n_fake=misses.n,
    )
