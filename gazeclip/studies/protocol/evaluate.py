"""The benchmark protocol P1 to P4. NumPy only.

P1: seen generators, P2: unseen ones of known families, P3: unseen families, P4: another data set. A
family is known if a class of the model belongs to it. docs/protocol.md defines every figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gazeclip.scoring import metrics
from gazeclip.scoring.outputs import FPR, AttributionLevel, SplitOutputs
from gazeclip.studies.protocol.figures import Figures, Model, Threshold, compute_figures
from gazeclip.taxonomy import REAL, UNKNOWN, Taxonomy

__all__ = [
    "Selection",
    "Threshold",
    "evaluate_other",
    "evaluate_protocol",
    "fit_threshold",
    "split_protocols",
]

TITLES = {
    "P1": "seen generators",
    "P2": "unseen generators of known families",
    "P3": "unseen families",
    "P4": "another data set",
}
LEVELS: dict[str, AttributionLevel] = {
    "P1": "class",
    "P2": "category+family",
    "P3": "category+family",
    "P4": "family",
}


@dataclass(frozen=True)
class Selection:
    """One protocol's images: `rows` of `split`, its forgeries and all real images of that split."""

    split: str
    rows: np.ndarray


def split_protocols(
    labels: Mapping[str, Sequence[str]], taxonomy: Taxonomy, classes: Sequence[str]
) -> dict[str, Selection]:
    """Which images belong to P1, P2 and P3.

    P1 is the whole of `test`. P2 and P3 divide the forgeries of `test_unseen` by whether a class is
    of their family, whatever its category; both take all real images of `test_unseen`, so their
    false alarms are the same ones.

    Args:
        labels: split -> its labels; a missing split counts as empty.
        classes: of the model, `real` among them.

    Raises:
        ConfigError: a label that the taxonomy does not know.
    """
    # What nobody knows of two generators is nothing that they share.
    known = {taxonomy.get(name).family for name in classes if name != REAL} - {UNKNOWN}
    test, unseen = (
        np.array(labels.get(split, ()), dtype=object) for split in ("test", "test_unseen")
    )
    real = unseen == REAL
    familiar = np.array(
        [label != REAL and taxonomy.get(str(label)).family in known for label in unseen], dtype=bool
    )
    return {
        "P1": Selection("test", np.arange(len(test))),
        "P2": Selection("test_unseen", np.flatnonzero(real | familiar)),
        "P3": Selection("test_unseen", np.flatnonzero(~familiar)),
    }


def fit_threshold(val: SplitOutputs, fpr: float = FPR) -> Threshold | None:
    """The lowest threshold that flags at most `fpr` of val's real images; None if it has none."""
    real = val.fake_logit[~val.is_fake]
    return Threshold(metrics.threshold_at_fpr(real, fpr), fpr, len(real)) if len(real) else None


def evaluate_protocol(
    splits: Mapping[str, SplitOutputs],
    taxonomy: Taxonomy,
    classes: Sequence[str],
    *,
    threshold: Threshold | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Figures]:
    """P1, P2 and P3 of one data set; the order of the images does not matter.

    What is not defined is None, and `why_null` beside it says why; that holds for every figure of
    detection where forged or real images are missing, and for attribution to a group or family that
    no class belongs to.

    Args:
        splits: outputs on `test` and `test_unseen`.
        threshold: from `fit_threshold`; moves `*_at_threshold` only.
        bootstrap: resamplings of the persons (without identities: of the images) for the 95%
            intervals; 0 for none.
    """
    model = Model(tuple(classes), taxonomy, taxonomy, threshold, bootstrap, seed)
    result = {}
    for name, selection in split_protocols(
        {split: outputs.labels for split, outputs in splits.items()}, taxonomy, classes
    ).items():
        empty = SplitOutputs(np.zeros(0), np.zeros((0, len(classes))), ())
        outputs = splits.get(selection.split, empty).take(selection.rows)
        result[name] = {
            "title": TITLES[name],
            "split": selection.split,
            **compute_figures(outputs, model, LEVELS[name]),
        }
    return result


def evaluate_other(
    outputs: SplitOutputs,
    label_taxonomy: Taxonomy,
    taxonomy: Taxonomy,
    classes: Sequence[str],
    *,
    threshold: Threshold | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> Figures:
    """P4: images of another data set, whose labels have a taxonomy of their own.

    Attribution is by family, the one thing both share.
    """
    model = Model(tuple(classes), taxonomy, label_taxonomy, threshold, bootstrap, seed)
    return {
        "title": TITLES["P4"],
        "split": "test and test_unseen",
        **compute_figures(outputs, model, LEVELS["P4"]),
    }
