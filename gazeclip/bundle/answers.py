"""What a bundle answers at its shipped threshold, counted for the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.scoring.evidence import Evidence
from gazeclip.scoring.thresholds import ANSWERS, decide_all

KEY = "shipped"  # of `metrics` in bundle.json


def count_answers(
    outputs: Mapping[str, np.ndarray],
    targets: np.ndarray,
    classes: Sequence[str],
    evidence: Evidence,
    point: OperatingPoint,
) -> dict[str, dict[str, int]]:
    """Class -> `n` and how many of its images have each answer; classes without images left out.

    Args:
        outputs: `logits (N, C)` and `fake_logit (N, 1)`.
        targets: class indices `(N,)`.
    """
    llr = evidence.weigh(outputs["fake_logit"], outputs["logits"])
    answers = decide_all(llr, point.fake_from, point.real_below)
    counts = {}
    for number, name in enumerate(classes):
        own = answers[targets == number]
        if len(own):
            told = {answer: int((own == answer).sum()) for answer in ANSWERS}
            counts[name] = {"n": len(own), **told}
    return counts
