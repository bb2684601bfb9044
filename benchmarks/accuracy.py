"""How good outputs are on each split: detection, attribution and calibration, with intervals and per generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gazeclip import metrics
from gazeclip.errors import StageError
from gazeclip.taxonomy import REAL, Taxonomy

AttributionLevel = Literal["class", "category+family"]
# Unseen generators are no class of the model; the finest thing it can say about them is (category, family).
LEVELS: dict[str, AttributionLevel] = {"test": "class", "test_unseen": "category+family"}
FPR = 0.01
GROUP_JOIN = "/"


@dataclass(frozen=True)
class SplitOutputs:
    """One subject's raw outputs on one split.

    `fake_logit (N,)` or `(N, 1)`, `logits (N, C)`, both before the temperature, and the N labels (generator names or
    `real`). `gaze (N, 2)` in radians is used by the plots only.

    Raises:
        StageError: lengths differ or a figure is not finite.
    """

    fake_logit: np.ndarray
    logits: np.ndarray
    labels: tuple[str, ...]
    gaze: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fake_logit", np.asarray(self.fake_logit, dtype=np.float64).reshape(-1))
        object.__setattr__(self, "logits", np.asarray(self.logits, dtype=np.float64))
        object.__setattr__(self, "labels", tuple(str(label) for label in self.labels))
        n = len(self.labels)
        if self.logits.ndim != 2 or not len(self.fake_logit) == len(self.logits) == n:
            shapes = f"fake_logit {self.fake_logit.shape}, logits {self.logits.shape}, {n} labels"
            raise StageError(f"outputs do not belong together: {shapes}", remedy="Give one row per image")
        if not (np.isfinite(self.fake_logit).all() and np.isfinite(self.logits).all()):
            raise StageError("outputs hold NaN or infinity", remedy="Export the model again")

    @property
    def is_fake(self) -> np.ndarray:
        """`(N,)` bool."""
        return np.array([label != REAL for label in self.labels], dtype=bool)

    def fake_probability(self, temperature: float = 1.0) -> np.ndarray:
        """`(N,)`: sigmoid(fake_logit / temperature)."""
        return metrics.sigmoid(self.fake_logit / temperature)

    def class_probability(self, temperature: float = 1.0) -> np.ndarray:
        """`(N, C)`: softmax(logits / temperature)."""
        return metrics.softmax(self.logits / temperature)


@dataclass(frozen=True)
class Attribution:
    """True and predicted names of every image at one level, and the true names that no prediction can ever reach."""

    true: np.ndarray
    predicted: np.ndarray
    names: tuple[str, ...]
    unreachable: tuple[str, ...]


def group_name(taxonomy: Taxonomy, label: str) -> str:
    """`category/family` of a generator, and `real` for real."""
    return REAL if label == REAL else GROUP_JOIN.join(taxonomy.group(label))


def attribute(
    probability: np.ndarray, labels: Sequence[str], classes: Sequence[str], taxonomy: Taxonomy, level: AttributionLevel
) -> Attribution:
    """The most probable class, or at `category+family` the group with the largest sum over its classes.

    Args:
        probability: `(N, C)` in the order of `classes`.

    Raises:
        StageError: C is not the number of classes.
    """
    if probability.shape[1] != len(classes):
        raise StageError(
            f"{probability.shape[1]} attribution outputs for {len(classes)} classes",
            remedy="Use the classes of the bundle",
        )
    if level == "class":
        names, true = tuple(classes), np.array(labels, dtype=object)
        summed = probability
    else:
        of_class = [group_name(taxonomy, name) for name in classes]
        names = tuple(dict.fromkeys(of_class))
        member = np.array([[of == name for name in names] for of in of_class], dtype=np.float64)
        summed, true = probability @ member, np.array([group_name(taxonomy, label) for label in labels], dtype=object)
    predicted = np.array(names, dtype=object)[summed.argmax(axis=1)]
    unreachable = tuple(sorted(set(true) - set(names)))
    return Attribution(true.astype(str), predicted.astype(str), names, unreachable)


def evaluate(
    splits: Mapping[str, SplitOutputs],
    taxonomy: Taxonomy,
    classes: Sequence[str],
    *,
    temperature: Mapping[str, float] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """All figures of every split; the `accuracy` of a subject in report.json.

    `test` is attributed by exact class, `test_unseen` by (category, family). A label that the taxonomy puts nowhere
    among the classes counts as wrongly attributed and is named under `attribution_unreachable`. A figure that cannot
    be computed is None, and `why_null` says why.

    Args:
        temperature: `detection` and `attribution`, 1 where absent; moves `ece` and sums over groups, nothing else.
        bootstrap: resamplings of the images for the 95% intervals; 0 for none.
    """
    given = dict(temperature or {})
    return {
        name: evaluate_split(
            outputs, taxonomy, classes, LEVELS.get(name, "class"), given, bootstrap=bootstrap, seed=seed
        )
        for name, outputs in splits.items()
    }


def evaluate_split(
    outputs: SplitOutputs,
    taxonomy: Taxonomy,
    classes: Sequence[str],
    level: AttributionLevel,
    temperature: Mapping[str, float],
    *,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """One split of `evaluate`."""
    fake, score = outputs.is_fake, outputs.fake_logit
    probability = outputs.class_probability(temperature.get("attribution", 1.0))
    named = attribute(probability, outputs.labels, classes, taxonomy, level)
    correct = named.true == named.predicted
    result: dict[str, Any] = {
        "n": len(fake),
        "n_real": int((~fake).sum()),
        "auc": metrics.roc_auc(fake, score),
        "tpr_at_fpr1": metrics.tpr_at_fpr(fake, score, FPR),
        "eer": metrics.eer(fake, score),
        "ece": metrics.ece(fake, outputs.fake_probability(temperature.get("detection", 1.0))),
        "detection_acc": metrics.accuracy(fake, score > 0),
        "attribution_acc": metrics.accuracy(named.true, named.predicted),
        "attribution_macro_acc": metrics.macro_accuracy(named.true, named.predicted),
        "attribution_by": level,
        "attribution_unreachable": list(named.unreachable),
        "auc_interval": None,
        "tpr_at_fpr1_interval": None,
        "attribution_acc_interval": None,
    }
    if bootstrap:
        result |= _intervals(fake, score, correct, bootstrap, seed)
    result["per_generator"] = _per_generator(outputs, taxonomy, classes, probability, level)
    result["why_null"] = _reasons(result, fake, bootstrap)
    return result


def _intervals(fake: np.ndarray, score: np.ndarray, correct: np.ndarray, rounds: int, seed: int) -> dict[str, Any]:
    def mean(column: np.ndarray) -> float:
        return float(column.mean())

    found = {
        "auc_interval": metrics.bootstrap_interval(metrics.roc_auc, fake, score, rounds=rounds, seed=seed),
        "tpr_at_fpr1_interval": metrics.bootstrap_interval(
            lambda f, s: metrics.tpr_at_fpr(f, s, FPR), fake, score, rounds=rounds, seed=seed
        ),
        "attribution_acc_interval": metrics.bootstrap_interval(mean, correct, rounds=rounds, seed=seed),
    }
    return {key: None if value is None else list(value) for key, value in found.items()}


def _per_generator(
    outputs: SplitOutputs,
    taxonomy: Taxonomy,
    classes: Sequence[str],
    probability: np.ndarray,
    level: AttributionLevel,
) -> dict[str, dict[str, Any]]:
    """Each generator against the reals of its split, which are the same for all of them."""
    fake, score = outputs.is_fake, outputs.fake_logit
    labels = np.array(outputs.labels)
    fine = attribute(probability, outputs.labels, classes, taxonomy, level)
    coarse = attribute(probability, outputs.labels, classes, taxonomy, "category+family")
    table: dict[str, dict[str, Any]] = {}
    order = {generator.name: place for place, generator in enumerate(taxonomy.generators)}
    for label in sorted(set(outputs.labels), key=lambda name: order.get(name, len(order))):
        mine = labels == label
        against = mine | ~fake
        table[label] = {
            "n": int(mine.sum()),
            "auc": None if label == REAL else metrics.roc_auc(fake[against], score[against]),
            "flagged_fake": float((score[mine] > 0).mean()),
            "attribution_acc": metrics.accuracy(fine.true[mine], fine.predicted[mine]),
            "family_acc": metrics.accuracy(_family(coarse.true[mine]), _family(coarse.predicted[mine])),
            "group": group_name(taxonomy, label),
        }
    return table


def _family(groups: np.ndarray) -> np.ndarray:
    return np.array([name.rsplit(GROUP_JOIN, 1)[-1] for name in groups])


def _reasons(result: Mapping[str, Any], fake: np.ndarray, bootstrap: int) -> dict[str, str]:
    if len(fake) == 0:
        why = "the split is empty"
    elif not fake.any():
        why = "the split has no forged image"
    elif fake.all():
        why = "the split has no real image"
    else:
        why = "not defined on these images"
    nulls = [key for key, value in result.items() if value is None]
    return {key: "intervals were switched off" if key.endswith("_interval") and not bootstrap else why for key in nulls}
