"""Evidence, thresholds and temperature of an exported file against scikit-learn and counting."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression

from gazeclip.errors import StageError
from gazeclip.stages.calibrate import OPERATING_POINTS, calibrate_outputs


def draw_outputs(n: int, scale: float = 1.0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Logits that are `scale` times too confident; the labels are drawn from the honest ones."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, 4)) * 2
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    targets = (rng.random((n, 1)) > np.cumsum(p, 1)[:, :-1]).sum(1)
    fake = np.log((1 - p[:, :1]) / p[:, :1])
    return {
        "logits": (scale * logits).astype(np.float32),
        "fake_logit": (scale * fake).astype(np.float32),
    }, targets


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_evidence_is_balanced_logistic_regression_whatever_the_scale(scale: float) -> None:
    outputs, targets = draw_outputs(4000, scale)
    found = calibrate_outputs(outputs, targets).evidence
    assert found.scores == ("detection",)  # the honest odds: nothing beside them adds anything
    column = outputs["fake_logit"].astype(float)
    model = LogisticRegression(C=1e9, class_weight="balanced", tol=1e-10, max_iter=1000)
    model.fit(column, targets != 0)
    assert found.weights[0] == pytest.approx(model.coef_[0, 0], rel=0.02)
    assert found.bias == pytest.approx(model.intercept_[0], abs=0.02)
    assert found.weights[0] * scale == pytest.approx(1.0, rel=0.1)
    # The labels' own odds are gone from it: the LLR is the log odds less those of the split.
    odds = (targets != 0).mean() / (targets == 0).mean()
    assert found.bias == pytest.approx(-np.log(odds), abs=0.15)


def test_thresholds_are_order_statistics_whose_bounds_hold() -> None:
    outputs, targets = draw_outputs(6000)
    result = calibrate_outputs(outputs, targets, target_miss=0.05)
    llr = result.evidence.weigh(outputs["fake_logit"], outputs["logits"])
    real = llr[targets == 0]
    fake = llr[targets != 0]
    for name, fpr in OPERATING_POINTS.items():
        point = result.thresholds[name]
        passed = int((real >= point.fake_from).sum())
        bound = beta.ppf(0.95, passed + 1, len(real) - passed)
        assert point.fpr_bound == pytest.approx(bound) and point.n_real == len(real)
        if point.fpr_bound <= fpr:
            assert bound <= fpr < beta.ppf(0.95, passed + 2, len(real) - passed - 1)
        missed = int((fake < point.real_below).sum())
        assert point.miss_bound == pytest.approx(beta.ppf(0.95, missed + 1, len(fake) - missed))
        assert point.miss_bound <= point.target_miss == 0.05
    assert result.thresholds["fpr1"].reliable
    assert result.thresholds["fpr1"].fake_from < result.thresholds["fpr0.1"].fake_from


@pytest.mark.parametrize(("n_real", "kept"), [(298, False), (299, True)])
def test_few_reals_show_no_rate_and_flag_no_real_image(n_real: int, kept: bool) -> None:
    logit = np.linspace(-3, 1, n_real)
    outputs = {
        "fake_logit": np.append(logit, [0.0, 2.0])[:, None].astype(np.float32),
        "logits": np.zeros((n_real + 2, 2), np.float32),
    }
    result = calibrate_outputs(outputs, np.append(np.zeros(n_real, int), [1, 1]))
    point = result.thresholds["fpr1"]
    assert (point.fpr_bound <= 0.01) == kept
    assert not point.reliable  # two forgeries show nothing at all
    llr = result.evidence.weigh(outputs["fake_logit"], outputs["logits"])
    assert (llr[:n_real] >= point.fake_from).sum() == 0


def test_calibration_says_what_it_is_worth() -> None:
    outputs, targets = draw_outputs(3000, 4.0)
    metrics = calibrate_outputs(outputs, targets).metrics
    assert metrics["calibration_n"] == 3000
    assert metrics["min_cllr"] <= metrics["cllr"] < metrics["min_cllr"] + 0.02 < 0.9
    assert metrics["ece"] < 0.03


def test_one_kind_of_image_is_refused() -> None:
    outputs, targets = draw_outputs(50)
    with pytest.raises(StageError, match="needs real and forged images"):
        calibrate_outputs(outputs, np.zeros_like(targets))


def test_a_second_image_of_everyone_shows_no_more_of_a_rate() -> None:
    outputs, targets = draw_outputs(1500)
    persons = [f"p{number}" for number in range(1500)]
    once = calibrate_outputs(outputs, targets, persons).thresholds["fpr1"]
    doubled = {name: np.concatenate((values, values)) for name, values in outputs.items()}
    twice = calibrate_outputs(doubled, np.tile(targets, 2), persons * 2).thresholds["fpr1"]
    assert (twice.n_real, twice.n_fake) == (once.n_real, once.n_fake)
    assert twice.n_real == (targets == 0).sum() and twice.fpr_bound == once.fpr_bound
    # Taken as images of other persons they seem to show more than they do.
    strangers = calibrate_outputs(doubled, np.tile(targets, 2)).thresholds["fpr1"]
    assert strangers.n_real == 2 * once.n_real


def test_scores_that_speak_against_the_labels_are_no_evidence() -> None:
    outputs, targets = draw_outputs(800)
    turned = {name: -values for name, values in outputs.items()}
    result = calibrate_outputs(turned, targets)
    assert result.evidence.weights == (0.0,) and result.evidence.bias == 0.0
    llr = result.evidence.weigh(turned["fake_logit"], turned["logits"])
    for point in result.thresholds.values():
        assert {point.decide(value) for value in llr} == {"inconclusive"}


def test_thresholds_that_cross_leave_a_band_and_stay_in_order() -> None:
    fake = np.repeat([False, True], 2000)
    score = np.where(fake, 4.0, -4.0) + np.random.default_rng(0).normal(size=4000)
    outputs = {"fake_logit": score[:, None], "logits": np.stack((-score, score), axis=1)}
    result = calibrate_outputs(outputs, fake.astype(int))
    point = result.thresholds["fpr1"]
    assert point.real_below < point.fake_from and point.reliable
    llr = result.evidence.weigh_unlimited(outputs["fake_logit"], outputs["logits"])
    # The upper threshold is that of the misses: far fewer real images pass than might.
    assert (llr[~fake] >= point.fake_from).sum() == 0
    assert 0 < (llr[fake] < point.fake_from).mean() < 0.05
