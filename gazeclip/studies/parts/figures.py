"""Figures of every row, and what each loses against the whole, with intervals over persons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gazeclip.scoring import metrics
from gazeclip.scoring.outputs import FPR, AttributionLevel, attribute
from gazeclip.studies.ablation.differences import Draws, Figure, accuracy_difference, auc_difference
from gazeclip.studies.parts.rates import tpr_difference
from gazeclip.taxonomy import Taxonomy

FIGURES = ("auc", "tpr", "accuracy", "macro_accuracy")


@dataclass(frozen=True)
class Faces:
    """What is known of a split's N faces.

    `is_fake (N,)` bool; `labels`: N names; `clusters (N,)` names who is seen.
    """

    is_fake: np.ndarray
    labels: tuple[str, ...]
    clusters: np.ndarray | None
    level: AttributionLevel


@dataclass(frozen=True)
class Answers:
    """What a row's settings say of N faces.

    `fake_logit (several, N)`, `logits (several, N, C)`, and the names that follow: `predicted
    (several, N)` against `true (N,)`.
    """

    fake_logit: np.ndarray
    logits: np.ndarray
    predicted: np.ndarray
    true: np.ndarray

    def equals(self, whole: Answers) -> bool:
        """Whether every setting gives the outputs of `whole`, bit for bit."""
        return all(
            np.array_equal(mine, whole.fake_logit[0]) and np.array_equal(logits, whole.logits[0])
            for mine, logits in zip(self.fake_logit, self.logits, strict=True)
        )


def name_answers(
    fake_logit: np.ndarray,
    logits: np.ndarray,
    faces: Faces,
    taxonomy: Taxonomy,
    classes: Sequence[str],
) -> Answers:
    """Answers at the faces' level, from `fake_logit (several, N)` and `logits (several, N, C)`."""
    named = [
        attribute(metrics.softmax(found), faces.labels, classes, taxonomy, faces.level)
        for found in logits
    ]
    return Answers(fake_logit, logits, np.stack([one.predicted for one in named]), named[0].true)


def compute_figures(answers: Answers, faces: Faces) -> dict[str, float | None]:
    """Mean over the settings of each of `FIGURES`; None where a figure is not defined."""
    fake = faces.is_fake

    def average(figure: Callable[[np.ndarray], float | None], found: np.ndarray) -> float | None:
        values = []
        for one in found:
            value = figure(one)
            if value is None:
                return None
            values.append(value)
        return float(np.mean(values))

    scores = answers.fake_logit
    named = answers.predicted
    return {
        "auc": average(lambda score: metrics.roc_auc(fake, score), scores),
        "tpr": average(lambda score: metrics.tpr_at_fpr(fake, score, FPR), scores),
        "accuracy": average(lambda one: metrics.accuracy(answers.true, one), named),
        "macro_accuracy": average(lambda one: metrics.macro_accuracy(answers.true, one), named),
    }


def compare_with_whole(
    mine: Answers, whole: Answers, faces: Faces, rounds: int
) -> dict[str, Figure | None]:
    """Each of `FIGURES` without the part less that of the whole; below 0 the part helps.

    The same persons are drawn for both sides and for all rows.
    """
    draws = Draws(faces.clusters, rounds)
    fake = faces.is_fake
    scores = ([mine.fake_logit], [whole.fake_logit])
    named = ([mine.predicted], [whole.predicted])
    return {
        "auc": auc_difference(fake, *scores, draws),
        "tpr": tpr_difference(fake, mine.fake_logit, whole.fake_logit, draws),
        "accuracy": accuracy_difference(mine.true, *named, draws, by_class=False),
        "macro_accuracy": accuracy_difference(mine.true, *named, draws),
    }
