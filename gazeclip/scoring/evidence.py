"""How strongly an image's scores speak for forged against real: a calibrated log-likelihood ratio.

The likelihood ratio is what forensic sciences report: how much more probable the scores are if the
image is forged than if it is real. It holds no prior, which is the user's to state. The map from
scores is affine and fitted by prior-weighted logistic regression, and judged by Cllr, after Brümmer
and du Preez 2006, DOI 10.1016/j.csl.2005.08.001. NumPy only: gateways read it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gazeclip.scoring.cllr import balanced_ece, cllr, min_cllr
from gazeclip.scoring.metrics import sigmoid

# What a file's outputs say of forged against real, each larger for forged. `detection`: its fake
# logit. `log_odds`: the mass of all forgeries over that of real. `margin`: the best forgery alone.
SCORES = ("detection", "log_odds", "margin")
# From simple to less simple; a later one must be better by more than chance.
CANDIDATES: tuple[tuple[str, ...], ...] = (
    ("detection",),
    ("log_odds",),
    ("margin",),
    ("detection", "log_odds"),
    ("detection", "margin"),
)
FOLDS = 5
# Of squared weights on standardised scores: two scores that say the same share the weight.
_RIDGE = 1e-5
# Verbal scale of likelihood ratios, in decimal orders: ENFSI guideline for evaluative reporting,
# 2015, table 2. Each holds from its figure on.
STRENGTHS = (
    (6.0, "extremely strong"),
    (4.0, "very strong"),
    (3.0, "strong"),
    (2.0, "moderately strong"),
    (1.0, "moderate"),
    (math.log10(2.0), "weak"),
    (0.0, "none"),
)


@dataclass(frozen=True)
class Evidence:
    """The map from a file's scores to its log-likelihood ratio (LLR), natural logarithm.

    Attributes:
        scores: names of `SCORES`.
        weights: one for each score, none negative.
        bias: what is added.
        lowest: the LLR is never below. So many forged images as there were to calibrate with
            cannot show more, unless a threshold lies there.
        highest: the LLR is never above; the same for real images.
    """

    scores: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float
    lowest: float
    highest: float

    def weigh(self, fake_logit: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """LLR `(N,)` of `fake_logit (N,)` or `(N, 1)` and `logits (N, C)`, within its limits."""
        return np.clip(self.weigh_unlimited(fake_logit, logits), self.lowest, self.highest)

    def weigh_unlimited(self, fake_logit: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """The same without limits: it ranks images that the limits make equal."""
        columns = stack_scores(read_scores(fake_logit, logits), self.scores)
        found: np.ndarray = columns @ np.asarray(self.weights) + self.bias
        return found

    def widen(self, *thresholds: float) -> Evidence:
        """Limits with room on both sides of each threshold, so that limiting changes no answer."""
        # An image is real below a threshold, fake at one: the lower limit must lie below it.
        lowest = min(self.lowest, *(float(np.nextafter(t, -np.inf)) for t in thresholds))
        highest = max(self.highest, *thresholds)
        return Evidence(self.scores, self.weights, self.bias, lowest, highest)

    def to_entry(self) -> dict[str, Any]:
        """The map as bundle.json holds it."""
        return {
            "weights": dict(zip(self.scores, self.weights, strict=True)),
            "bias": self.bias,
            "limits": [self.lowest, self.highest],
        }

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Evidence:
        """The inverse of `to_entry`."""
        weights = entry["weights"]
        lowest, highest = entry["limits"]
        return cls(
            tuple(weights),
            tuple(float(value) for value in weights.values()),
            float(entry["bias"]),
            float(lowest),
            float(highest),
        )


def read_scores(fake_logit: np.ndarray, logits: np.ndarray) -> dict[str, np.ndarray]:
    """All of `SCORES`, each `(N,)`, of `fake_logit (N,)` or `(N, 1)` and `logits (N, C)`."""
    logits = np.asarray(logits, dtype=np.float64)
    forged = logits[:, 1:]  # class 0 is real
    best = forged.max(axis=1)
    mass = best + np.log(np.exp(forged - best[:, None]).sum(axis=1))
    return {
        "detection": np.asarray(fake_logit, dtype=np.float64).reshape(-1),
        "log_odds": mass - logits[:, 0],
        "margin": best - logits[:, 0],
    }


def stack_scores(scores: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    """The named scores as columns `(N, K)`."""
    return np.stack([scores[name] for name in names], axis=1)


def fit_evidence(
    fake_logit: np.ndarray,
    logits: np.ndarray,
    fake: np.ndarray,
    clusters: np.ndarray | None = None,
    candidates: Sequence[tuple[str, ...]] = CANDIDATES,
) -> Evidence:
    """Choose scores by cross-validated Cllr, the simpler where it is as good, and fit their map.

    Args:
        fake_logit: `(N,)` or `(N, 1)`, and `logits (N, C)`, of calibration images.
        fake: `(N,)` bool; both kinds must occur.
        clusters: `(N,)`; images of one person are never on both sides of a fold.
    """
    fake = np.asarray(fake, dtype=bool)
    scores = read_scores(fake_logit, logits)
    chosen = choose_scores(scores, fake, clusters, candidates)
    weights, bias = fit_affine(stack_scores(scores, chosen), fake)
    if weights.min() < 0:  # the scores speak against the labels: they are no evidence at all
        weights = np.zeros(len(chosen))
        bias = 0.0
    # Images of a kind that were all on the right side allow no claim beyond about their number.
    lowest = -math.log(fake.sum() + 1)
    highest = math.log((~fake).sum() + 1)
    return Evidence(chosen, tuple(weights.tolist()), bias, lowest, highest)


def choose_scores(
    scores: Mapping[str, np.ndarray],
    fake: np.ndarray,
    clusters: np.ndarray | None = None,
    candidates: Sequence[tuple[str, ...]] = CANDIDATES,
) -> tuple[str, ...]:
    """The first of `candidates` whose Cllr is not shown to be worse than the best one's.

    That is, worse by more than one standard error of the difference, over clusters; after the rule
    of Breiman et al. 1984, Classification and Regression Trees, section 3.4.3. A candidate with a
    negative weight is none: a score that is larger for forged images cannot speak against a
    forgery. The first of all is taken where no weight fits, and where the clusters are too few to
    hold some back.
    """
    codes = np.arange(len(fake))
    if clusters is not None:
        codes = np.unique(clusters, return_inverse=True)[1]
    folds = _assign_folds(codes)
    if not _can_train(folds, fake):
        return candidates[0]
    losses: dict[tuple[str, ...], np.ndarray] = {}
    for names in candidates:
        columns = stack_scores(scores, names)
        llr = np.empty(len(fake))
        for fold in range(FOLDS):
            held = folds == fold
            weights, bias = fit_affine(columns[~held], fake[~held])
            llr[held] = columns[held] @ weights + bias
        if fit_affine(columns, fake)[0].min() >= 0.0:
            losses[names] = _share_losses(llr, fake)
    if not losses:
        return candidates[0]
    best = min(losses.values(), key=lambda loss: float(loss.sum()))
    for names, loss in losses.items():
        excess = np.bincount(codes, loss - best)  # per cluster; the sum is the difference of Cllr
        error = math.sqrt(len(excess)) * float(excess.std())
        if float(excess.sum()) <= error:
            return names
    return candidates[0]


def _share_losses(llr: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """What each image adds to Cllr, `(N,)`."""
    cost = np.logaddexp(0.0, np.where(fake, -llr, llr)) / math.log(2.0)
    per_image: np.ndarray = cost * _balance(fake) / 2.0
    return per_image


def _balance(fake: np.ndarray) -> np.ndarray:
    """Weights `(N,)` under which the images of either kind sum to 1."""
    return np.where(fake, 1.0 / max(int(fake.sum()), 1), 1.0 / max(int((~fake).sum()), 1))


def _assign_folds(codes: np.ndarray) -> np.ndarray:
    """A fold for each image `(N,)`, the same in every call; images of equal code stay together."""
    of_code = np.random.default_rng(0).permutation(int(codes.max()) + 1) % FOLDS
    folds: np.ndarray = of_code[codes]
    return folds


def _can_train(folds: np.ndarray, fake: np.ndarray) -> bool:
    """Whether both kinds remain outside every fold, and every fold has images."""
    for fold in range(FOLDS):
        held = folds == fold
        kinds = np.unique(fake[~held])
        if not held.any() or len(kinds) < 2:
            return False
    return True


def fit_affine(columns: np.ndarray, fake: np.ndarray, steps: int = 100) -> tuple[np.ndarray, float]:
    """Weights `(K,)` and bias of the logistic regression on `columns (N, K)`, kinds weighed alike.

    With both kinds weighed alike its log odds are a log-likelihood ratio. The targets are those of
    Platt 1999, (n + 1) / (n + 2) instead of 1: kinds that a score separates perfectly then have a
    finite best map. Newton's method on standardised columns.
    """
    fake = np.asarray(fake, dtype=bool)
    mean = columns.mean(axis=0)
    spread = columns.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    design = np.column_stack(((columns - mean) / spread, np.ones(len(columns))))  # (N, K + 1)
    n_fake = int(fake.sum())
    n_real = int((~fake).sum())
    target = np.where(fake, (n_fake + 1) / (n_fake + 2), 1 / (n_real + 2))
    weight = _balance(fake)
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[-1] = 0.0  # the bias is free
    found = np.zeros(design.shape[1])
    for _ in range(steps):
        step = _newton_step(design, target, weight, ridge, found)
        found = found - step
        if float(np.abs(step).max()) < 1e-10:
            break
    slopes = found[:-1] / spread
    return slopes, float(found[-1] - slopes @ mean)


def _newton_step(
    design: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    ridge: np.ndarray,
    found: np.ndarray,
) -> np.ndarray:
    """What Newton's method subtracts, shortened until the loss falls."""

    def loss(parameters: np.ndarray) -> float:
        z = design @ parameters
        return float(weight @ (np.logaddexp(0.0, z) - target * z) + ridge @ parameters**2 / 2)

    p = sigmoid(design @ found)
    gradient = design.T @ (weight * (p - target)) + ridge * found
    curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(ridge)
    curvature[-1, -1] += 1e-12  # where every p is 0 or 1
    step: np.ndarray = np.linalg.solve(curvature, gradient)
    before = loss(found)
    for _ in range(30):
        if loss(found - step) <= before:
            break
        step = step / 2
    return step


def name_strength(llr: float) -> str:
    """The word of the verbal scale for an LLR of either sign, natural logarithm."""
    orders = abs(llr) / math.log(10.0)
    return next(word for least, word in STRENGTHS if orders >= least)


def measure_evidence(
    llr: np.ndarray, unlimited: np.ndarray, fake: np.ndarray
) -> dict[str, float | None]:
    """`cllr`, `min_cllr` and the ECE at a prior of one half.

    Args:
        llr: `(N,)`, as it is given.
        unlimited: `(N,)`, without limits. The minimum is that of the order alone, and limits make
            images equal.
        fake: `(N,)` bool.
    """
    return {
        "cllr": cllr(llr, fake),
        "min_cllr": min_cllr(unlimited, fake),
        "ece": balanced_ece(fake, sigmoid(llr)),
    }
