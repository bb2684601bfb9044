"""Figures against scikit-learn, brute force and cases worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from sklearn import metrics as sk

from gazeclip.scoring import metrics


def sample(seed: int, n: int = 200, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    score = rng.normal(size=n) + positive
    return positive, np.round(score, 1) if ties else score


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_roc_auc_is_scikit_learns(seed: int, ties: bool) -> None:
    positive, score = sample(seed, ties=ties)
    assert metrics.roc_auc(positive, score) == pytest.approx(
        sk.roc_auc_score(positive, score), abs=1e-12
    )


def test_roc_auc_by_hand() -> None:
    # pairs (positive, negative): 3>1, 3>2, 2>1 won, 2=2 half: 3.5 of 4
    assert metrics.roc_auc(np.array([0, 0, 1, 1]), np.array([1.0, 2.0, 2.0, 3.0])) == pytest.approx(
        3.5 / 4
    )


@pytest.mark.parametrize("ties", [False, True])
def test_roc_curve_is_scikit_learns(ties: bool) -> None:
    positive, score = sample(4, ties=ties)
    for ours, theirs in zip(
        metrics.roc_curve(positive, score),
        sk.roc_curve(positive, score, drop_intermediate=False),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("fpr", [0.0, 0.01, 0.1, 0.37, 1.0])
def test_tpr_at_fpr_is_the_best_admissible_point(fpr: float, ties: bool) -> None:
    positive, score = sample(5, ties=ties)
    false_rate, true_rate, _ = sk.roc_curve(positive, score, drop_intermediate=False)
    assert metrics.tpr_at_fpr(positive, score, fpr) == pytest.approx(
        true_rate[false_rate <= fpr].max()
    )


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_eer_is_where_the_interpolated_curve_meets_the_diagonal(seed: int, ties: bool) -> None:
    positive, score = sample(seed, ties=ties)
    false_rate, true_rate, _ = sk.roc_curve(positive, score, drop_intermediate=False)
    # The curve's length as parameter: FPR alone is no function of TPR on vertical pieces.
    place = np.arange(len(false_rate), dtype=float)
    root = brentq(
        lambda t: np.interp(t, place, false_rate) - 1 + np.interp(t, place, true_rate), 0, place[-1]
    )
    assert metrics.eer(positive, score) == pytest.approx(
        np.interp(root, place, false_rate), abs=1e-9
    )


def test_eer_of_perfect_and_inverted_scores() -> None:
    positive = np.array([False, False, True, True])
    assert metrics.eer(positive, np.array([0.0, 1.0, 2.0, 3.0])) == 0.0
    assert metrics.eer(positive, np.array([3.0, 2.0, 1.0, 0.0])) == 1.0


@pytest.mark.parametrize("only", [True, False])
def test_one_class_alone_is_undefined_not_zero(only: bool) -> None:
    positive = np.full(4, only)
    score = np.arange(4.0)
    assert metrics.roc_auc(positive, score) is None
    assert metrics.eer(positive, score) is None
    assert metrics.tpr_at_fpr(positive, score, 0.1) is None


def test_nothing_is_undefined() -> None:
    empty = np.zeros(0)
    assert metrics.accuracy(empty, empty) is None
    assert metrics.macro_accuracy(empty, empty) is None
    assert metrics.bootstrap_interval(metrics.accuracy, empty, empty) is None


def test_accuracies_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    target = rng.choice(4, 300, p=[0.7, 0.1, 0.1, 0.1])
    predicted = rng.integers(0, 4, 300)
    assert metrics.accuracy(target, predicted) == pytest.approx(
        sk.accuracy_score(target, predicted)
    )
    assert metrics.macro_accuracy(target, predicted) == pytest.approx(
        sk.balanced_accuracy_score(target, predicted)
    )
    assert metrics.accuracy(target, predicted) != pytest.approx(
        metrics.macro_accuracy(target, predicted)
    )


def test_softmax_and_sigmoid_survive_extremes() -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        np.testing.assert_allclose(metrics.softmax(np.array([[1e4, 1e4, -1e4]])), [[0.5, 0.5, 0.0]])
        np.testing.assert_allclose(metrics.sigmoid(np.array([-1e4, 0.0, 1e4])), [0.0, 0.5, 1.0])
    assert metrics.sigmoid(np.array(1.3)) == pytest.approx(1 / (1 + math.exp(-1.3)))
    assert metrics.softmax(np.array([1.0, 3.0]))[1] == pytest.approx(1 / (1 + math.exp(-2)))


def test_temperature_minimises_the_loss_over_classes_that_count_alike() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(600, 5)) + np.array([2.0, 0, 0, 0, 0])  # many of class 0
    cumulative = np.cumsum(metrics.softmax(logits), axis=1)
    target = (rng.random((600, 1)) > cumulative).sum(1)

    def find_best(weight: np.ndarray | None) -> float:
        found = minimize_scalar(
            lambda t: sk.log_loss(
                target, metrics.softmax(3.0 * logits / t), labels=range(5), sample_weight=weight
            ),
            bounds=(0.05, 20),
            method="bounded",
            options={"xatol": 1e-8},
        )
        return float(found.x)

    found = metrics.fit_temperature(3.0 * logits, target)
    assert found == pytest.approx(find_best(1.0 / np.bincount(target)[target]), rel=1e-3)
    # Another one than that of the images as they are.
    assert abs(found - find_best(None)) > 0.01


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("fpr", [0.001, 0.01, 0.1, 0.29])
def test_threshold_keeps_the_rate_and_is_the_tightest(fpr: float, ties: bool) -> None:
    _, real = sample(6, 100, ties=ties)
    threshold = metrics.threshold_at_fpr(real, fpr)
    assert np.mean(real >= threshold) <= fpr + 1e-12
    next_lower = real[real < threshold].max()
    assert np.mean(real >= next_lower) > fpr


def test_threshold_by_hand() -> None:
    # 29% of 100: 0.29 * 100 is 28.999... in floating point and must still admit 29 images
    assert metrics.threshold_at_fpr(np.arange(100.0), 0.29) == np.nextafter(70.0, np.inf)


def test_bootstrap_is_the_normal_interval_of_a_mean_and_repeats() -> None:
    values = np.random.default_rng(7).normal(size=400)
    low, high = metrics.bootstrap_interval(lambda v: float(v.mean()), values)
    half = 1.96 * values.std() / math.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)
    assert metrics.bootstrap_interval(lambda v: float(v.mean()), values) == (low, high)


def test_bootstrap_resamples_rows_jointly() -> None:
    column = np.arange(50)
    assert metrics.bootstrap_interval(metrics.accuracy, column, column.copy(), rounds=50) == (
        1.0,
        1.0,
    )


def test_bootstrap_over_persons_learns_nothing_from_a_second_picture() -> None:
    values = np.random.default_rng(7).normal(size=60)
    names = np.array([f"p{number:02d}" for number in range(60)])
    once = metrics.bootstrap_interval(lambda v: float(v.mean()), values)
    assert metrics.bootstrap_interval(
        lambda v: float(v.mean()), values.repeat(2), clusters=names.repeat(2)
    ) == pytest.approx(once)
    narrower = metrics.bootstrap_interval(lambda v: float(v.mean()), values.repeat(2))
    assert narrower[1] - narrower[0] < 0.8 * (once[1] - once[0])


def test_bootstrap_counts_draw_as_many_clusters_as_there_are() -> None:
    clusters = np.array(["b", "a", "b", "c"])
    for counts in metrics.bootstrap_counts(4, 50, clusters=clusters):
        assert counts[0] == counts[2] and counts[[0, 1, 3]].sum() == 3
