"""The map to a log-likelihood ratio: choice of scores, separation, limits, words."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy.special import logsumexp

from gazeclip.bundle.contents import BundleClass
from gazeclip.scoring.cllr import cllr
from gazeclip.scoring.evidence import (
    Evidence,
    choose_scores,
    fit_affine,
    fit_evidence,
    name_strength,
    read_scores,
    stack_scores,
)
from gazeclip.scoring.thresholds import decide_all
from runtimes.outputs import find_generator, rank_classes, weigh_scores


def draw_scores(n: int = 2000, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """`detection` and `log_odds` are two looks with errors of their own, `margin` is noise."""
    rng = np.random.default_rng(seed)
    fake = rng.random(n) < 0.3
    at = np.where(fake, 1.0, -1.0)
    scores = {
        "detection": at + rng.normal(size=n),
        "log_odds": at + rng.normal(size=n),
        "margin": rng.normal(size=n),
    }
    return scores, fake


def test_scores_are_read_as_defined() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(6, 4)) * 300  # far beyond what exp takes
    fake_logit = rng.normal(size=(6, 1))
    found = read_scores(fake_logit, logits)
    np.testing.assert_allclose(found["detection"], fake_logit[:, 0])
    np.testing.assert_allclose(found["log_odds"], logsumexp(logits[:, 1:], axis=1) - logits[:, 0])
    np.testing.assert_allclose(found["margin"], logits[:, 1:].max(1) - logits[:, 0])


def test_two_looks_are_better_than_one_and_noise_is_not_chosen() -> None:
    scores, fake = draw_scores()
    assert choose_scores(scores, fake) == ("detection", "log_odds")
    # A second look that is the first one again adds nothing: the simpler map is taken.
    twins = scores | {"log_odds": scores["detection"] * 2, "margin": scores["detection"] + 1}
    assert choose_scores(twins, fake) == ("detection",)
    # A score that is right only turned round is none.
    turned = {name: -values for name, values in twins.items()} | {"margin": scores["log_odds"]}
    assert choose_scores(turned, fake) == ("margin",)


def test_persons_stay_on_one_side_of_a_fold() -> None:
    rng = np.random.default_rng(3)
    # Each person has a value of its own in `log_odds`, and 40 images of one kind.
    persons = np.repeat(np.arange(30), 40)
    fake = (persons % 2).astype(bool)
    own = rng.normal(size=30)[persons]
    detection = np.where(fake, 0.3, -0.3) + rng.normal(size=len(fake))
    scores = {"detection": detection, "log_odds": own + 0.01 * detection, "margin": -detection}
    assert choose_scores(scores, fake, persons) == ("detection",)


def test_too_few_persons_to_hold_any_back_take_the_first_score() -> None:
    scores, fake = draw_scores(60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose_scores(scores, fake, np.zeros(60)) == ("detection",)
        # All forged images are of one person: some fold would train without one.
        persons = np.where(fake, 0, np.arange(60) + 1)
        assert choose_scores(scores, fake, persons) == ("detection",)


def test_affine_map_is_found_and_kinds_count_alike() -> None:
    scores, fake = draw_scores(40_000)
    weights, bias = fit_affine(stack_scores(scores, ("detection", "log_odds")), fake)
    # Of two normal looks at +-1 with unit errors the LLR is 2 x + 2 y, whatever the share of fakes.
    np.testing.assert_allclose(weights, [2.0, 2.0], atol=0.08)
    assert bias == pytest.approx(0.0, abs=0.05)


def test_perfect_separation_stays_finite_and_is_limited() -> None:
    fake = np.arange(60) >= 40
    score = np.where(fake, 5.0, -5.0)
    logits = np.stack([-score / 2, score / 2], axis=1)
    evidence = fit_evidence(score, logits, fake)
    assert all(math.isfinite(value) for value in (*evidence.weights, evidence.bias))
    llr = evidence.weigh(np.array([-1e6, 1e6]), np.array([[1e6, -1e6], [-1e6, 1e6]]))
    np.testing.assert_allclose(llr, [-math.log(21), math.log(41)])


@pytest.mark.parametrize(("fake_from", "real_below"), [(9.0, -1.0), (1.0, -9.0), (9.0, 8.0)])
def test_limits_that_are_widened_for_thresholds_change_no_answer(
    fake_from: float, real_below: float
) -> None:
    narrow = Evidence(("detection",), (1.0,), 0.0, -2.0, 2.0)
    wide = narrow.widen(fake_from, real_below)
    score = np.concatenate(([-50.0, 50.0], np.linspace(-10, 10, 401)))
    logits = np.zeros((len(score), 2))
    limited = decide_all(wide.weigh(score, logits), fake_from, real_below)
    free = decide_all(wide.weigh_unlimited(score, logits), fake_from, real_below)
    assert limited.tolist() == free.tolist()
    assert set(limited) == {"real", "fake", "inconclusive"}
    # Without them this would not be so.
    assert decide_all(narrow.weigh(score, logits), fake_from, real_below).tolist() != free.tolist()


def test_evidence_is_honest_on_images_it_was_not_fitted_on() -> None:
    scores, fake = draw_scores(6000)
    logits = np.stack([-scores["log_odds"], np.full(len(fake), -60.0), np.zeros(len(fake))], axis=1)
    half = np.arange(len(fake)) < 3000
    evidence = fit_evidence(scores["detection"][half], logits[half], fake[half])
    llr = evidence.weigh(scores["detection"][~half], logits[~half])
    # The honest LLR of these scores is known, so its cost is a bound.
    honest = 2 * scores["detection"][~half] + 2 * scores["log_odds"][~half]
    assert cllr(llr, fake[~half]) == pytest.approx(cllr(honest, fake[~half]), abs=0.01)


@pytest.mark.parametrize("names", [("detection",), ("log_odds",), ("detection", "margin")])
def test_one_image_is_weighed_as_many_are(names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(200, 4)) * 4
    fake_logit = rng.normal(size=200) * 5
    evidence = Evidence(names, tuple(0.4 + 0.3 * k for k in range(len(names))), -0.2, -2.0, 1.5)
    assert Evidence.from_entry(evidence.to_entry()) == evidence
    many = evidence.weigh(fake_logit, logits)
    assert many.min() == -2.0 and many.max() == 1.5
    alone = [
        weigh_scores(evidence, float(f), row.tolist())
        for f, row in zip(fake_logit, logits, strict=True)
    ]
    np.testing.assert_allclose(alone, many, rtol=1e-12)


def test_words_follow_the_scale() -> None:
    # ENFSI: 2 to 10 weak, 10 to 100 moderate, 100 to 1000 moderately strong, to 10 000 strong.
    ratios = {1.5: "none", 3: "weak", 30: "moderate", 300: "moderately strong", 3000: "strong"}
    ratios |= {3e5: "very strong", 3e7: "extremely strong"}
    for ratio, word in ratios.items():
        assert name_strength(math.log(ratio)) == name_strength(-math.log(ratio)) == word


def test_generator_is_named_among_the_forgeries() -> None:
    names = ("real", "gan", "flow")
    classes = [BundleClass(name, name.upper(), name, name) for name in names]
    best = find_generator(rank_classes(classes, [0.9, 0.02, 0.08]))
    assert best.name == "flow" and best.p == pytest.approx(0.8)
    assert find_generator(rank_classes(classes, [1.0, 0.0, 0.0])).p == 0.5
