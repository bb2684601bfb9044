"""Validation figures: against scikit-learn, and refused where the scores are not numbers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from gazeclip.errors import StageError
from gazeclip.training.validation import validation_figures


def outputs(seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(4), [40, 10, 20, 5])
    logits = rng.normal(size=(75, 4)) + 2 * np.eye(4)[targets]
    return {"logits": logits, "fake_logit": -logits[:, :1]}, targets


def test_figures_are_those_of_scikit_learn() -> None:
    found, targets = outputs()
    figures = validation_figures(found, targets)
    assert figures["auc"] == pytest.approx(roc_auc_score(targets != 0, found["fake_logit"][:, 0]))
    assert figures["attribution_macro_acc"] == pytest.approx(
        balanced_accuracy_score(targets, found["logits"].argmax(axis=1))
    )
    assert figures["score"] == pytest.approx(
        (figures["auc"] + figures["attribution_macro_acc"]) / 2
    )


def test_a_missing_class_gives_no_figure() -> None:
    found, targets = outputs()
    for rows in (targets == 0, targets != 0):
        with pytest.raises(StageError, match="no real or no forged"):
            validation_figures(
                {name: values[rows] for name, values in found.items()}, targets[rows]
            )


@pytest.mark.parametrize("name", ["logits", "fake_logit"])
def test_scores_that_are_not_numbers_stop_the_training(name: str) -> None:
    found, targets = outputs()
    found[name][3] = np.nan
    with pytest.raises(StageError, match=r"not finite.*learning rate"):
        validation_figures(found, targets)
