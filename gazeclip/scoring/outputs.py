"""Raw outputs on labelled images, what they are attributed to, and figures per generator.

Report and protocols share them; NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gazeclip.errors import StageError
from gazeclip.scoring import metrics
from gazeclip.taxonomy import REAL, UNKNOWN, Taxonomy

AttributionLevel = Literal["class", "category+family", "family"]
FPR = 0.01
GROUP_JOIN = "/"


@dataclass(frozen=True)
class SplitOutputs:
    """One subject's raw outputs on one split.

    Attributes:
        fake_logit: `(N,)` or `(N, 1)`.
        logits: `(N, C)`, before the temperature.
        labels: N generator names, or `real`.
        gaze: `(N, 2)` in radians.
        identities: N names of who is seen, one per image where that is unknown; intervals then
            resample persons.

    Raises:
        StageError: lengths differ or a figure is not finite.
    """

    fake_logit: np.ndarray
    logits: np.ndarray
    labels: tuple[str, ...]
    gaze: np.ndarray | None = None
    identities: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        fake_logit = np.asarray(self.fake_logit, dtype=np.float64).reshape(-1)
        object.__setattr__(self, "fake_logit", fake_logit)
        object.__setattr__(self, "logits", np.asarray(self.logits, dtype=np.float64))
        object.__setattr__(self, "labels", tuple(str(label) for label in self.labels))
        n = len(self.labels)
        if self.identities is not None and len(self.identities) != n:
            raise StageError(
                f"{len(self.identities)} identities for {n} images", remedy="Give one per image"
            )
        if self.logits.ndim != 2 or not len(self.fake_logit) == len(self.logits) == n:
            shapes = f"fake_logit {self.fake_logit.shape}, logits {self.logits.shape}, {n} labels"
            raise StageError(
                f"outputs do not belong together: {shapes}", remedy="Give one row per image"
            )
        if not (np.isfinite(self.fake_logit).all() and np.isfinite(self.logits).all()):
            raise StageError("outputs hold NaN or infinity", remedy="Export the model again")

    @property
    def is_fake(self) -> np.ndarray:
        """`(N,)` bool."""
        return np.array([label != REAL for label in self.labels], dtype=bool)

    def class_probability(self, temperature: float = 1.0) -> np.ndarray:
        """`(N, C)`: softmax(logits / temperature)."""
        return metrics.softmax(self.logits / temperature)

    def take(self, rows: np.ndarray) -> SplitOutputs:
        """The images with these numbers, in their order; without gaze."""
        identities = None
        if self.identities is not None:
            identities = tuple(self.identities[row] for row in rows)
        return SplitOutputs(
            self.fake_logit[rows],
            self.logits[rows],
            tuple(self.labels[row] for row in rows),
            identities=identities,
        )

    @property
    def clusters(self) -> np.ndarray | None:
        """`(N,)`: what `metrics.bootstrap_interval` draws together."""
        return None if self.identities is None else np.array(self.identities)


@dataclass(frozen=True)
class Attribution:
    """True and predicted names of every image at one level.

    Attributes:
        true: `(N,)` texts.
        predicted: `(N,)` texts.
        names: what can be predicted.
        unreachable: the true names that no prediction can ever reach.
    """

    true: np.ndarray
    predicted: np.ndarray
    names: tuple[str, ...]
    unreachable: tuple[str, ...]


def group_name(taxonomy: Taxonomy, label: str) -> str:
    """`category/family` of a generator, and `real` for real."""
    return REAL if label == REAL else GROUP_JOIN.join(taxonomy.group(label))


def family_of(groups: Sequence[str] | np.ndarray) -> np.ndarray:
    """The families of `category/family` names; `real` stays `real`."""
    return np.array([name.rsplit(GROUP_JOIN, 1)[-1] for name in groups], dtype=object)


def attribute(
    probability: np.ndarray,
    labels: Sequence[str],
    classes: Sequence[str],
    taxonomy: Taxonomy,
    level: AttributionLevel,
    label_taxonomy: Taxonomy | None = None,
) -> Attribution:
    """The most probable class of each image, at one level.

    At `category+family` it is the group with the largest sum over its classes, at `family` that
    group's family.

    Args:
        probability: `(N, C)` in the order of `classes`.
        taxonomy: of the classes.
        label_taxonomy: of the labels, where it is another one.

    Raises:
        StageError: C is not the number of classes.
    """
    if probability.shape[1] != len(classes):
        raise StageError(
            f"{probability.shape[1]} attribution outputs for {len(classes)} classes",
            remedy="Use the classes of the bundle",
        )
    if level == "class":
        names = np.array(classes, dtype=object)
        true = np.array(labels, dtype=object)
        predicted = names[probability.argmax(axis=1)]
    else:
        of_class = [group_name(taxonomy, name) for name in classes]
        names = np.array(list(dict.fromkeys(of_class)), dtype=object)
        # (C, groups): one 1 in each row; the product sums the probabilities of each group.
        member = np.array([[of == name for name in names] for of in of_class], dtype=np.float64)
        predicted = names[(probability @ member).argmax(axis=1)]
        of_labels = label_taxonomy or taxonomy
        true = np.array([group_name(of_labels, label) for label in labels], dtype=object)
        if level == "family":
            names = family_of(names)
            true = family_of(true)
            predicted = family_of(predicted)
        # What nobody knows of two generators is nothing that they share.
        unknown = family_of(true) == UNKNOWN
        true[unknown] = [f"{UNKNOWN} ({label})" for label in np.array(labels)[unknown]]
    unreachable = tuple(sorted(set(true) - set(names)))
    return Attribution(
        true.astype(str), predicted.astype(str), tuple(dict.fromkeys(names)), unreachable
    )


def per_generator(
    outputs: SplitOutputs,
    taxonomy: Taxonomy,
    classes: Sequence[str],
    probability: np.ndarray,
    level: AttributionLevel,
    label_taxonomy: Taxonomy | None = None,
) -> dict[str, dict[str, Any]]:
    """Each generator, in taxonomy order, against the reals of its split, the same for all."""
    fake = outputs.is_fake
    score = outputs.fake_logit
    labels = np.array(outputs.labels)
    of_labels = label_taxonomy or taxonomy
    fine = attribute(probability, outputs.labels, classes, taxonomy, level, of_labels)
    family = attribute(probability, outputs.labels, classes, taxonomy, "family", of_labels)
    table: dict[str, dict[str, Any]] = {}
    order = {generator.name: place for place, generator in enumerate(of_labels.generators)}
    for label in sorted(set(outputs.labels), key=lambda name: order.get(name, len(order))):
        mine = labels == label
        against = mine | ~fake
        table[label] = {
            "n": int(mine.sum()),
            "auc": None if label == REAL else metrics.roc_auc(fake[against], score[against]),
            "flagged_fake": float((score[mine] > 0).mean()),
            "attribution_acc": metrics.accuracy(fine.true[mine], fine.predicted[mine]),
            "family_acc": metrics.accuracy(family.true[mine], family.predicted[mine]),
            "group": group_name(of_labels, label),
        }
    return table
