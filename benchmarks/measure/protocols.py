"""P1 to P4 on the file that ships: by its evidence over the ROC, and at its shipped threshold.

Which images belong to which protocol is `gazeclip.studies.protocol`'s affair (docs/protocol.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gazeclip.bundle.rule import Rule
from gazeclip.scoring.metrics import bootstrap_counts, percentile_interval
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.scoring.thresholds import FAKE, INCONCLUSIVE, rate_interval
from gazeclip.scoring.weighted import stack_in_chunks, weigh_auc, weigh_mean
from gazeclip.studies.protocol.evaluate import TITLES, split_protocols
from gazeclip.taxonomy import Taxonomy

Figures = dict[str, Any]
OTHER = "P4"
BOTH = "test and test_unseen"


@dataclass(frozen=True)
class Resampling:
    """Draws of persons for the 95% intervals; 0 rounds: none."""

    rounds: int
    seed: int


def measure_protocols(
    splits: Mapping[str, SplitOutputs],
    rule: Rule,
    taxonomy: Taxonomy,
    classes: Sequence[str],
    resampling: Resampling,
) -> dict[str, Figures]:
    """P1 to P3 of one data set; a protocol without any image is left out."""
    labels = {split: outputs.labels for split, outputs in splits.items()}
    found = {}
    for name, selection in split_protocols(labels, taxonomy, classes).items():
        if len(selection.rows):
            outputs = splits[selection.split].take(selection.rows)
            found[name] = measure_images(name, selection.split, outputs, rule, resampling)
    return found


def measure_images(
    name: str, split: str, outputs: SplitOutputs, rule: Rule, resampling: Resampling
) -> Figures:
    """One protocol: forged against real, and each generator against the same real images.

    `auc` is of the evidence; `tpr`, `fpr` and `inconclusive` (of forged images) are of the answers.
    Intervals resample persons, except that of `fpr`, which is Clopper and Pearson's over images: no
    resampling of images without a false alarm ever has one. None where it is not defined.
    """
    fake = outputs.is_fake
    answers = rule.answer(outputs)
    called = answers == FAKE
    unsure = answers == INCONCLUSIVE
    labels = np.array(outputs.labels)
    rows = {"": fake} | {str(one): labels == one for one in np.unique(labels[fake])}
    intervals = _resample(rule.rank(outputs), fake, called, rows, outputs.clusters, resampling)
    once = np.ones((1, len(fake)))
    parts = {}
    for key, mine in rows.items():
        against = mine | ~fake
        auc = weigh_auc(rule.rank(outputs)[against], fake[against], once[:, against])[0]
        parts[key] = {
            "n": int(mine.sum()),
            "auc": _or_none(auc),
            "auc_interval": intervals[key][0],
            "tpr": _take_share(called, mine),
            "tpr_interval": intervals[key][1],
            "inconclusive": _take_share(unsure, mine),
        }
    whole = parts.pop("")
    alarms = int(called[~fake].sum())
    n_real = int((~fake).sum())
    interval = rate_interval(alarms, n_real)
    return {
        "title": TITLES[name],
        "split": split,
        "n_forged": whole.pop("n"),
        "n_real": n_real,
        **whole,
        "fpr": _take_share(called, ~fake),
        "fpr_interval": None if interval is None else list(interval),
        "per_generator": parts,
    }


def _resample(
    score: np.ndarray,
    fake: np.ndarray,
    called: np.ndarray,
    rows: Mapping[str, np.ndarray],
    clusters: np.ndarray | None,
    resampling: Resampling,
) -> dict[str, tuple[list[float] | None, list[float] | None]]:
    """Of each part the intervals of its AUC and of its share called fake, all by the same draws."""
    aucs: dict[str, list[float]] = {key: [] for key in rows}
    shares: dict[str, list[float]] = {key: [] for key in rows}
    draws = bootstrap_counts(len(fake), resampling.rounds, resampling.seed, clusters)
    for counts in stack_in_chunks(draws):
        for key, mine in rows.items():
            against = mine | ~fake
            drawn = weigh_auc(score[against], fake[against], counts[:, against])
            aucs[key] += drawn[np.isfinite(drawn)].tolist()
            drawn = weigh_mean(called[mine], counts[:, mine])
            shares[key] += drawn[np.isfinite(drawn)].tolist()
    return {key: (_find_interval(aucs[key]), _find_interval(shares[key])) for key in rows}


def _find_interval(values: Sequence[float]) -> list[float] | None:
    interval = percentile_interval(values)
    return None if interval is None else list(interval)


def _take_share(which: np.ndarray, rows: np.ndarray) -> float | None:
    return float(which[rows].mean()) if rows.any() else None


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
