"""What a subject answers at the threshold that ships: real, fake or inconclusive.

Each subject is judged by its own calibration, that of its bundle where it has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gazeclip.bundle.rule import Rule
from gazeclip.errors import StageError
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.scoring.thresholds import FAKE, INCONCLUSIVE, REAL, rate_interval
from gazeclip.taxonomy import Taxonomy


def measure_answers(outputs: SplitOutputs, rule: Rule, taxonomy: Taxonomy) -> dict[str, Any]:
    """Rates of the answers on one split; None where there is no such image.

    `fpr` is the share of real images called fake, with its 95% interval of Clopper and Pearson;
    `tpr` the share of forged ones called fake, `miss` called real; `inconclusive` is of all images.
    `per_generator` has `n`, `tpr`, `inconclusive` and `miss` of each, in taxonomy order.
    """
    fake = outputs.is_fake
    answers = rule.answer(outputs)
    alarms = int((answers[~fake] == FAKE).sum())
    found = int((answers[fake] == FAKE).sum())
    n_real = int((~fake).sum())
    n_fake = int(fake.sum())
    return {
        "operating_point": rule.point.name,
        "fake_from": rule.point.fake_from,
        "real_below": rule.point.real_below,
        "n_real": n_real,
        "n_fake": n_fake,
        "false_alarms": alarms,
        "fpr": _share(answers[~fake], FAKE),
        "fpr_interval": _as_list(rate_interval(alarms, n_real)),
        "tpr": _share(answers[fake], FAKE),
        "tpr_interval": _as_list(rate_interval(found, n_fake)),
        "miss": _share(answers[fake], REAL),
        "inconclusive": _share(answers, INCONCLUSIVE),
        "inconclusive_real": _share(answers[~fake], INCONCLUSIVE),
        "inconclusive_fake": _share(answers[fake], INCONCLUSIVE),
        "per_generator": _split_by_generator(outputs, answers, taxonomy),
    }


def _split_by_generator(
    outputs: SplitOutputs, answers: np.ndarray, taxonomy: Taxonomy
) -> dict[str, dict[str, Any]]:
    labels = np.array(outputs.labels)
    table = {}
    for generator in taxonomy.generators:
        mine = answers[labels == generator.name]
        if generator.name != REAL and len(mine):
            table[generator.name] = {
                "n": len(mine),
                "tpr": _share(mine, FAKE),
                "inconclusive": _share(mine, INCONCLUSIVE),
                "miss": _share(mine, REAL),
            }
    return table


def _share(answers: np.ndarray, which: str) -> float | None:
    return float((answers == which).mean()) if len(answers) else None


def _as_list(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)


def find_flips(
    before: tuple[SplitOutputs, Rule], after: tuple[SplitOutputs, Rule]
) -> list[dict[str, Any]]:
    """Images that two subjects answer differently, the largest change of evidence first.

    Each has `index`, `label`, the answers `before` and `after`, and `llr_before`, `llr_after`.

    Raises:
        StageError: the two were not run on the same images.
    """
    outputs = before[0]
    if outputs.labels != after[0].labels:
        raise StageError(
            "verdicts of different images cannot be compared",
            remedy="Run both subjects on the same split",
        )
    answers = [rule.answer(given) for given, rule in (before, after)]
    llr = [rule.weigh(given) for given, rule in (before, after)]
    flipped = np.flatnonzero(answers[0] != answers[1])
    # Stable, so that images that changed equally stay in the order of the split.
    flipped = flipped[np.argsort(-np.abs(llr[0] - llr[1])[flipped], kind="stable")]
    return [
        {
            "index": int(i),
            "label": outputs.labels[i],
            "before": str(answers[0][i]),
            "after": str(answers[1][i]),
            "llr_before": round(float(llr[0][i]), 4),
            "llr_after": round(float(llr[1][i]), 4),
        }
        for i in flipped
    ]


def measure_agreement(
    before: Mapping[str, SplitOutputs],
    rule_before: Rule,
    after: Mapping[str, SplitOutputs],
    rule_after: Rule,
) -> float:
    """Share of the images of all splits that two subjects answer alike."""
    flipped = 0
    for split, outputs in before.items():
        flipped += len(find_flips((outputs, rule_before), (after[split], rule_after)))
    return 1.0 - flipped / sum(len(outputs.labels) for outputs in before.values())
