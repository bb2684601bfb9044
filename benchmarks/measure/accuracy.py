"""How good outputs are on each split: detection, attribution and calibration, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.measure.shipped import measure_answers
from gazeclip.bundle.rule import Rule
from gazeclip.scoring import metrics
from gazeclip.scoring.evidence import measure_evidence
from gazeclip.scoring.outputs import FPR, AttributionLevel, SplitOutputs, attribute, per_generator
from gazeclip.taxonomy import Taxonomy

# Unseen generators are no class of the model; the finest thing it can say about them is (category,
# family).
LEVELS: dict[str, AttributionLevel] = {"test": "class", "test_unseen": "category+family"}


def evaluate_splits(
    splits: Mapping[str, SplitOutputs],
    taxonomy: Taxonomy,
    classes: Sequence[str],
    *,
    temperature: float = 1.0,
    rule: Rule | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """All figures of every split; the `accuracy` of a subject in report.json.

    `test` is attributed by exact class, `test_unseen` by (category, family). A label that the
    taxonomy puts nowhere among the classes counts as wrongly attributed and is named under
    `attribution_unreachable`. A figure that cannot be computed is None, and `why_null` says why.

    Args:
        temperature: of the attribution logits; moves sums over groups, nothing else.
        rule: of the answers. Detection is then ranked by its evidence, else by the fake logit, and
            nothing is known of `cllr`, `ece` and `shipped`.
        bootstrap: resamplings of the persons (without identities: of the images) for the 95%
            intervals; 0 for none.
    """
    return {
        name: evaluate_split(
            outputs,
            taxonomy,
            classes,
            LEVELS.get(name, "class"),
            temperature=temperature,
            rule=rule,
            bootstrap=bootstrap,
            seed=seed,
        )
        for name, outputs in splits.items()
    }


def evaluate_split(
    outputs: SplitOutputs,
    taxonomy: Taxonomy,
    classes: Sequence[str],
    level: AttributionLevel,
    *,
    temperature: float = 1.0,
    rule: Rule | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """One split of `evaluate_splits`."""
    fake = outputs.is_fake  # `(N,)`
    score = outputs.fake_logit
    measured = _measure_rule(outputs, rule, taxonomy)
    if rule is not None:  # what is ranked is what is answered by
        score = rule.rank(outputs)
        outputs = replace(outputs, fake_logit=score)
    probability = outputs.class_probability(temperature)
    named = attribute(probability, outputs.labels, classes, taxonomy, level)
    correct = named.true == named.predicted
    result: dict[str, Any] = {
        "n": len(fake),
        "n_real": int((~fake).sum()),
        "auc": metrics.roc_auc(fake, score),
        "tpr_at_fpr1": metrics.tpr_at_fpr(fake, score, FPR),
        "eer": metrics.eer(fake, score),
        "detection_acc": metrics.accuracy(fake, score > 0),
        "attribution_acc": metrics.accuracy(named.true, named.predicted),
        "attribution_macro_acc": metrics.macro_accuracy(named.true, named.predicted),
        "attribution_by": level,
        "attribution_unreachable": list(named.unreachable),
        "auc_interval": None,
        "attribution_acc_interval": None,
    }
    result |= measured
    if bootstrap:
        result |= _bootstrap_intervals(fake, score, correct, outputs.clusters, bootstrap, seed)
    result["per_generator"] = per_generator(outputs, taxonomy, classes, probability, level)
    result["why_null"] = _explain_nulls(result, fake, bootstrap)
    return result


def _measure_rule(outputs: SplitOutputs, rule: Rule | None, taxonomy: Taxonomy) -> dict[str, Any]:
    """What the calibration is worth on this split."""
    if rule is None:
        return {"cllr": None, "min_cllr": None, "ece": None, "shipped": None}
    figures = measure_evidence(rule.weigh(outputs), rule.rank(outputs), outputs.is_fake)
    return {**figures, "shipped": measure_answers(outputs, rule, taxonomy)}


def _bootstrap_intervals(
    fake: np.ndarray,
    score: np.ndarray,
    correct: np.ndarray,
    clusters: np.ndarray | None,
    rounds: int,
    seed: int,
) -> dict[str, Any]:
    def share_correct(column: np.ndarray) -> float:
        return float(column.mean())

    # One seed for both: they are intervals over the same draws of persons.
    options: dict[str, Any] = {"rounds": rounds, "seed": seed, "clusters": clusters}
    found = {
        "auc_interval": metrics.bootstrap_interval(metrics.roc_auc, fake, score, **options),
        "attribution_acc_interval": metrics.bootstrap_interval(share_correct, correct, **options),
    }
    return {key: None if value is None else list(value) for key, value in found.items()}


def _explain_nulls(result: Mapping[str, Any], fake: np.ndarray, bootstrap: int) -> dict[str, str]:
    if len(fake) == 0:
        why = "the split is empty"
    elif not fake.any():
        why = "the split has no forged image"
    elif fake.all():
        why = "the split has no real image"
    else:
        why = "not defined on these images"
    reasons = {}
    for key, value in result.items():
        if value is None:
            switched_off = key.endswith("_interval") and not bootstrap
            reasons[key] = "intervals were switched off" if switched_off else why
    if result["shipped"] is None and len(fake):
        reasons |= dict.fromkeys(("cllr", "min_cllr", "ece", "shipped"), "it was not calibrated")
    return reasons
