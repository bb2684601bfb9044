"""What the plots need from raw outputs: ROC, confusion matrix and gaze."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gazeclip.scoring import metrics
from gazeclip.scoring.outputs import AttributionLevel, SplitOutputs, attribute, group_name
from gazeclip.taxonomy import Taxonomy


def roc_points(
    fake: np.ndarray, score: np.ndarray, most: int = 200
) -> dict[str, list[float]] | None:
    """ROC as `{"fpr": [...], "tpr": [...]}` of about `most` points at most.

    None if real or forged images are missing. Only points on a straight line between their
    neighbours and, past that, evenly spaced ones are left out.
    """
    fake = np.asarray(fake, dtype=bool)
    if fake.all() or not fake.any():
        return None
    fpr, tpr, _ = metrics.roc_curve(fake, score)
    run = np.diff(fpr)
    rise = np.diff(tpr)
    # A point is a corner where the steps to and from it are not parallel: their cross product.
    corner = np.ones(len(fpr), dtype=bool)
    corner[1:-1] = np.abs(run[:-1] * rise[1:] - run[1:] * rise[:-1]) > 1e-15
    fpr = fpr[corner]
    tpr = tpr[corner]
    if len(fpr) > most:
        pick = np.unique(np.linspace(0, len(fpr) - 1, most).round().astype(int))
        fpr = fpr[pick]
        tpr = tpr[pick]
    return {"fpr": [round(float(x), 6) for x in fpr], "tpr": [round(float(x), 6) for x in tpr]}


def confusion_counts(
    outputs: SplitOutputs,
    taxonomy: Taxonomy,
    classes: Sequence[str],
    level: AttributionLevel,
    temperature: float = 1.0,
) -> dict[str, Any]:
    """Counts `{"rows": true names, "columns": predicted names, "counts": [[...]], "level": ...}`.

    At `category+family` the rows are the generators themselves, which shows where each unseen one
    went.
    """
    named = attribute(
        outputs.class_probability(temperature), outputs.labels, classes, taxonomy, level
    )
    present = set(outputs.labels)
    rows = [generator.name for generator in taxonomy.generators if generator.name in present]
    labels = np.array(outputs.labels)
    counts = [
        [int(((labels == row) & (named.predicted == name)).sum()) for name in named.names]
        for row in rows
    ]
    expected = [row if level == "class" else group_name(taxonomy, row) for row in rows]
    return {
        "rows": rows,
        "columns": list(named.names),
        "expected": expected,
        "counts": counts,
        "level": level,
    }


def gaze_histogram(
    gaze: np.ndarray, fake: np.ndarray, limit_deg: float = 40.0, bins: int = 32
) -> dict[str, Any] | None:
    """Shares per bin of pitch and yaw in degrees, real and forged apart; None if either is missing.

    Args:
        gaze: `(N, 2)` pitch and yaw in radians. Values beyond the limit fall into the outermost
            bins.
    """
    gaze = np.asarray(gaze, dtype=np.float64)
    fake = np.asarray(fake, dtype=bool)
    if fake.all() or not fake.any():
        return None
    edges = np.linspace(-limit_deg, limit_deg, bins + 1)
    # Clipped, so that the shares of all bins make one.
    degrees = np.clip(np.rad2deg(gaze), -limit_deg, limit_deg)
    result: dict[str, Any] = {
        "edges_deg": edges.tolist(),
        "n": {"real": int((~fake).sum()), "fake": int(fake.sum())},
    }
    for axis, name in enumerate(("pitch", "yaw")):
        result[name] = {
            which: (np.histogram(degrees[rows, axis], edges)[0] / rows.sum()).round(6).tolist()
            for which, rows in (("real", ~fake), ("fake", fake))
        }
    return result
