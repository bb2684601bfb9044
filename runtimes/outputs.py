"""One image's outputs as numbers of a verdict: LLR, probabilities, the classes in order.

After an inference the caches hold the network, and each first call into NumPy costs some 30
microseconds. For a dozen numbers plain Python is several times faster, so nothing here calls
`gazeclip.scoring`, which does the same for arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gazeclip.bundle.contents import BundleClass
from gazeclip.scoring.evidence import Evidence
from gazeclip.scoring.thresholds import REAL
from runtimes.verdict import Attribution


def weigh_scores(evidence: Evidence, fake_logit: float, logits: Sequence[float]) -> float:
    """`Evidence.weigh` of one image, `logits (C,)`."""
    best = max(logits[1:])
    mass = best + math.log(sum(math.exp(value - best) for value in logits[1:]))
    scores = {"detection": fake_logit, "log_odds": mass - logits[0], "margin": best - logits[0]}
    llr = evidence.bias
    for name, weight in zip(evidence.scores, evidence.weights, strict=True):
        llr += weight * scores[name]
    return min(max(llr, evidence.lowest), evidence.highest)


def softmax(logits: Sequence[float], temperature: float) -> list[float]:
    """Probabilities of one image's logits `(C,)` at a temperature."""
    top = max(logits)
    powers = [math.exp((value - top) / temperature) for value in logits]
    total = sum(powers)
    return [power / total for power in powers]


def sigmoid(logit: float) -> float:
    """Logistic function that does not overflow."""
    return 0.5 * (1.0 + math.tanh(0.5 * logit))


def rank_classes(
    classes: Sequence[BundleClass], probabilities: Sequence[float]
) -> tuple[Attribution, ...]:
    """All classes with their probabilities `(C,)`, the most probable first."""
    order = sorted(range(len(classes)), key=probabilities.__getitem__, reverse=True)
    ranked = []
    for index in order:
        entry = classes[index]
        p = probabilities[index]
        ranked.append(Attribution(entry.name, entry.title, entry.category, entry.family, p))
    return tuple(ranked)


def find_generator(ranked: Sequence[Attribution]) -> Attribution:
    """The most probable forgery of all classes in order, with its share among the forgeries."""
    forged = [entry for entry in ranked if entry.name != REAL]
    total = sum(entry.p for entry in forged)
    # Where all have vanished beside real they are equally (un)likely.
    share = forged[0].p / total if total > 0 else 1.0 / len(forged)
    return forged[0]._replace(p=share)
