"""Evidence, thresholds and temperature of one exported file, fitted on the calibration split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.errors import StageError
from gazeclip.run.context import Context
from gazeclip.scoring.evidence import CANDIDATES, Evidence, fit_evidence, measure_evidence
from gazeclip.scoring.metrics import fit_temperature
from gazeclip.scoring.thresholds import (
    CONFIDENCE,
    bound_rate,
    order_limits,
    place_fake_limit,
    place_real_limit,
)

CALIBRATION = "calibration"  # the split
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


def calibrate_on_run(
    context: Context,
    outputs: dict[str, np.ndarray],
    candidates: Sequence[tuple[str, ...]] = CANDIDATES,
) -> Calibration:
    """`calibrate_outputs` of what a model says of a run's calibration images, in their order."""
    return calibrate_outputs(
        outputs,
        context.list_targets(CALIBRATION),
        [sample.person for sample in context.manifest.split(CALIBRATION)],
        context.recipe.export.target_miss,
        candidates,
    )


def calibrate_outputs(
    outputs: dict[str, np.ndarray],
    targets: np.ndarray,
    persons: Sequence[str] | None = None,
    target_miss: float = 0.05,
    candidates: Sequence[tuple[str, ...]] = CANDIDATES,
) -> Calibration:
    """Fit on the calibration split.

    Args:
        outputs: `logits (N, C)` and `fake_logit (N, 1)` of the exported file.
        targets: class indices `(N,)`, 0 is real.
        persons: who is seen on each image. Cross-validation keeps a person together, and the
            thresholds rest on one image of each, so that their rates are over persons.
        target_miss: rate of forgeries that may be called real.
        candidates: combinations of scores that the evidence may weigh.

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
    evidence = fit_evidence(fake_logit, logits, fake, clusters, candidates)
    llr = evidence.weigh_unlimited(fake_logit, logits)
    thresholds = {
        name: place_point(name, llr, fake, fpr, target_miss, clusters)
        for name, fpr in OPERATING_POINTS.items()
    }
    limits = [limit for p in thresholds.values() for limit in (p.fake_from, p.real_below)]
    evidence = evidence.widen(*limits)
    metrics = {
        "calibration_n": len(targets),
        "confidence": CONFIDENCE,
        **measure_evidence(evidence.weigh(fake_logit, logits), llr, fake),
    }
    temperature = {"attribution": fit_temperature(logits, targets)}
    return Calibration(temperature, evidence, thresholds, metrics)


def place_point(
    name: str,
    llr: np.ndarray,
    fake: np.ndarray,
    target_fpr: float,
    target_miss: float,
    persons: np.ndarray | None = None,
) -> OperatingPoint:
    """Both thresholds from the LLRs `(N,)` of calibration images, `fake (N,)` bool.

    The evidence was fitted on the same images. Of one score that changes no order, so the bounds
    are exact; of two it chose the ratio of their weights, one number from all images. Of each of
    `persons` `(N,)` one real and one forged image count; None: every image does.
    """
    real_llr = _take_one_each(llr[~fake], None if persons is None else persons[~fake])
    fake_llr = _take_one_each(llr[fake], None if persons is None else persons[fake])
    fake_limit = place_fake_limit(real_llr, target_fpr).threshold
    real_limit = place_real_limit(fake_llr, target_miss).threshold
    fake_from, real_below = order_limits(fake_limit, real_limit)
    return OperatingPoint(
        name,
        fake_from=fake_from,
        real_below=real_below,
        target_fpr=target_fpr,
        target_miss=target_miss,
        fpr_bound=bound_rate(int((real_llr >= fake_from).sum()), len(real_llr)),
        miss_bound=bound_rate(int((fake_llr < real_below).sum()), len(fake_llr)),
        n_real=len(real_llr),
        n_fake=len(fake_llr),
    )


def _take_one_each(llr: np.ndarray, persons: np.ndarray | None) -> np.ndarray:
    """The first LLR of each person; all where persons are not known."""
    if persons is None:
        return llr
    first = np.unique(persons, return_index=True)[1]
    return llr[np.sort(first)]
