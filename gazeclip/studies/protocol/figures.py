"""The figures of one protocol: detection, attribution, and both per generator. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gazeclip.scoring import metrics
from gazeclip.scoring.outputs import (
    FPR,
    Attribution,
    AttributionLevel,
    SplitOutputs,
    attribute,
    family_of,
    group_name,
    per_generator,
)
from gazeclip.taxonomy import REAL, UNKNOWN, Taxonomy

DETECTION = (
    "detection_acc",
    "detection_acc_at_threshold",
    "auc",
    "auc_interval",
    "eer",
    "tpr_at_fpr1",
)
NO_FORGED = "no forged image"
NO_REAL = "no real image to compare with"
NO_IMAGE = "no image"
NO_THRESHOLD = "val has no real image to fit a threshold to"
SWITCHED_OFF = "intervals were switched off"
Figures = dict[str, Any]


@dataclass(frozen=True)
class Threshold:
    """Flag `fake_logit >= value`.

    Fitted to let through all but `fpr` of `n_real` real images of val.
    """

    value: float
    fpr: float
    n_real: int


@dataclass(frozen=True)
class Model:
    """What is known of the model besides its outputs.

    Its classes, their taxonomy, that of the labels, its threshold, and how to resample.
    """

    classes: tuple[str, ...]
    taxonomy: Taxonomy
    label_taxonomy: Taxonomy
    threshold: Threshold | None
    bootstrap: int
    seed: int

    @property
    def groups(self) -> set[str]:
        """`category/family` of every class whose family is known, and `real`."""
        found = {group_name(self.taxonomy, name) for name in self.classes}
        return {name for name in found if family_of([name])[0] != UNKNOWN}

    @property
    def families(self) -> tuple[str, ...]:
        """`real` and the known families of the classes, in class order."""
        found = family_of([group_name(self.taxonomy, name) for name in self.classes])
        return tuple(name for name in dict.fromkeys(found) if name != UNKNOWN)


def compute_figures(outputs: SplitOutputs, model: Model, level: AttributionLevel) -> Figures:
    """All figures of one protocol, with `why_null` for those that are None."""
    outputs = _sort_images(outputs)
    fake = outputs.is_fake
    at_level = _attribute_at(outputs, model, level)
    by_family = _attribute_at(outputs, model, "family")
    detection, why = _measure_detection(fake, outputs.fake_logit, outputs.clusters, model)
    attribution, why_not = _measure_attribution(outputs, at_level, by_family, model)
    return {
        "n": len(fake),
        "n_forged": int(fake.sum()),
        "n_real": int((~fake).sum()),
        "false_alarms_allowed": int(np.floor(FPR * (~fake).sum() + 1e-12)),
        **detection,
        "attribution_by": level,
        **attribution,
        "per_generator": _per_generator(outputs, model, level, at_level, by_family),
        "why_null": {**why, **why_not},
    }


def _attribute_at(outputs: SplitOutputs, model: Model, level: AttributionLevel) -> Attribution:
    return attribute(
        outputs.class_probability(),
        outputs.labels,
        model.classes,
        model.taxonomy,
        level,
        model.label_taxonomy,
    )


def _sort_images(outputs: SplitOutputs) -> SplitOutputs:
    """Sorted by label and outputs.

    Sums and resamplings then come out the same for any order of the files.
    """
    if not outputs.labels:
        return outputs
    codes = np.unique(outputs.labels, return_inverse=True)[1]
    return outputs.take(np.lexsort((*outputs.logits.T, outputs.fake_logit, codes)))


def _measure_detection(
    fake: np.ndarray, score: np.ndarray, clusters: np.ndarray | None, model: Model
) -> tuple[Figures, dict[str, str]]:
    """Forged against real, `(figures, reasons for None)`."""
    if fake.all() or not fake.any():
        why = NO_REAL if fake.all() else NO_FORGED
        if not len(fake):
            why = NO_IMAGE
        return dict.fromkeys(DETECTION), dict.fromkeys(DETECTION, why)
    reasons = {}
    at_threshold = None
    if model.threshold is not None:
        at_threshold = metrics.accuracy(fake, score >= model.threshold.value)
    else:
        reasons["detection_acc_at_threshold"] = NO_THRESHOLD
    interval = metrics.bootstrap_interval(
        metrics.roc_auc, fake, score, rounds=model.bootstrap, seed=model.seed, clusters=clusters
    )
    if interval is None:
        reasons["auc_interval"] = SWITCHED_OFF
    found = {
        "detection_acc": metrics.accuracy(fake, score > 0),
        "detection_acc_at_threshold": at_threshold,
        "auc": metrics.roc_auc(fake, score),
        "auc_interval": None if interval is None else list(interval),
        "eer": metrics.eer(fake, score),
        "tpr_at_fpr1": metrics.tpr_at_fpr(fake, score, FPR),
    }
    return found, reasons


def _measure_attribution(
    outputs: SplitOutputs, at_level: Attribution, by_family: Attribution, model: Model
) -> tuple[Figures, dict[str, str]]:
    """Means over labels, each counting once, `(figures, reasons for None)`.

    Over real and the generators at the protocol's level, over the generators by family.
    """
    labels = np.array(outputs.labels)
    fake = outputs.is_fake
    clusters = outputs.clusters
    found: Figures = {"attribution_unreachable": list(at_level.unreachable)}
    # A group that no class belongs to cannot be answered, and is no mistake of the model.
    possible = np.isin(at_level.true, at_level.names)
    rows = possible if (possible & fake).any() else np.zeros(len(fake), dtype=bool)
    columns = _number_labels(labels[rows]), (at_level.true == at_level.predicted)[rows]
    drawn = None if clusters is None else clusters[rows]
    interval = metrics.bootstrap_interval(
        _macro_accuracy, *columns, rounds=model.bootstrap, seed=model.seed, clusters=drawn
    )
    found["attribution_macro_acc"] = _macro_accuracy(*columns)
    found["attribution_macro_acc_interval"] = None if interval is None else list(interval)
    rows = fake & np.isin(by_family.true, by_family.names)
    found["family_macro_acc"] = _macro_accuracy(
        _number_labels(labels[rows]), (by_family.true == by_family.predicted)[rows]
    )
    undefined = "no class is of the group or family of these generators"
    if not fake.any():
        undefined = NO_FORGED if len(fake) else NO_IMAGE
    reasons = {key: undefined for key, value in found.items() if value is None}
    if interval is None and found["attribution_macro_acc"] is not None:
        reasons["attribution_macro_acc_interval"] = SWITCHED_OFF
    return found, reasons


def _number_labels(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1]


def _macro_accuracy(codes: np.ndarray, correct: np.ndarray) -> float | None:
    """Mean over the labels present of the share of correct images.

    `codes (N,)` are the labels' numbers; a resampling may have drawn none of some label.
    """
    if not len(codes):
        return None
    counts = np.bincount(codes)
    shares = np.bincount(codes, weights=correct) / np.maximum(counts, 1)
    return float(np.mean(shares[counts > 0]))


def _per_generator(
    outputs: SplitOutputs,
    model: Model,
    level: AttributionLevel,
    at_level: Attribution,
    by_family: Attribution,
) -> dict[str, Figures]:
    """What `scoring.outputs.per_generator` gives, and the figures of detection and family."""
    labels = np.array(outputs.labels)
    table = per_generator(
        outputs,
        model.taxonomy,
        model.classes,
        outputs.class_probability(),
        level,
        model.label_taxonomy,
    )
    for label, row in table.items():
        mine = labels == label
        _add_shares(row, outputs.fake_logit[mine], by_family.predicted[mine], model)
        why: dict[str, str] = {}
        if label == REAL:
            del row["auc"]  # real images are what the generators are measured against
        else:
            rows = mine | ~outputs.is_fake
            clusters = None if outputs.clusters is None else outputs.clusters[rows]
            found, why = _measure_detection(
                outputs.is_fake[rows], outputs.fake_logit[rows], clusters, model
            )
            row.update(found)
        for key, named in (("attribution_acc", at_level), ("family_acc", by_family)):
            true = str(named.true[mine][0])
            if true not in named.names:
                row[key] = None
                why[key] = f"no class is {true}"
        if model.threshold is None:
            why["flagged_fake_at_threshold"] = NO_THRESHOLD
        row["why_null"] = why
    return table


def _add_shares(row: Figures, score: np.ndarray, called: np.ndarray, model: Model) -> None:
    """What the model says of one label's images, from scores and predicted families `(n,)`."""
    family = str(family_of([row["group"]])[0])
    row["family_seen"] = family in model.families
    row["group_seen"] = row["group"] in model.groups
    row["called_family"] = {name: float((called == name).mean()) for name in model.families}
    row["flagged_fake_at_threshold"] = None
    if model.threshold is not None:
        row["flagged_fake_at_threshold"] = float((score >= model.threshold.value).mean())
