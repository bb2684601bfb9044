"""Gaze figures against scipy and a naive angle, and heads that are worth nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import pearsonr

from benchmarks.measure.gaze import (
    FIGURES,
    compare_gaze,
    find_best_constant,
    measure_gaze,
)
from benchmarks.measure.judge import Judged
from benchmarks.measure.subject import Subject
from gazeclip.scoring.angles import build_vectors, measure_errors
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.teacher.gaze.angles import angular_error, gaze_vector

SPREAD = 0.25  # radians


def draw_gaze(n: int = 200, seed: int = 0, spread: float = SPREAD) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.05, spread, (n, 2))


def measure_naively(first: np.ndarray, second: np.ndarray) -> list[float]:
    """Angles in degrees, one image after the other, by arccos of the dot product."""
    errors = []
    for a, b in zip(first, second, strict=True):
        va = [-np.cos(a[0]) * np.sin(a[1]), -np.sin(a[0]), -np.cos(a[0]) * np.cos(a[1])]
        vb = [-np.cos(b[0]) * np.sin(b[1]), -np.sin(b[0]), -np.cos(b[0]) * np.cos(b[1])]
        errors.append(float(np.degrees(np.arccos(np.clip(np.dot(va, vb), -1, 1)))))
    return errors


def measure_constant(constant: np.ndarray, angles: np.ndarray) -> float:
    return float(np.mean(measure_naively(np.tile(constant, (len(angles), 1)), angles)))


def test_vectors_and_errors_are_those_of_the_teacher() -> None:
    a, b = draw_gaze(seed=1, spread=1.0), draw_gaze(seed=2, spread=1.0)
    ours = measure_errors(a, b)
    theirs = angular_error(torch.from_numpy(a), torch.from_numpy(b)).rad2deg().numpy()
    # Both in float64: only rounding may differ.
    assert np.allclose(build_vectors(a), gaze_vector(torch.from_numpy(a)).numpy(), atol=1e-12)
    assert np.allclose(ours, theirs, atol=1e-9)
    # arccos loses half of the digits near 0 degrees.
    assert np.allclose(ours, measure_naively(a, b), atol=1e-5)


def test_figures_agree_with_scipy_and_with_a_naive_angle() -> None:
    reference = draw_gaze()
    mine = 0.6 * reference + draw_gaze(seed=1, spread=0.1)
    found = compare_gaze(mine, reference, bootstrap=50)
    assert found["n"] == 200
    assert found["error_deg"] == pytest.approx(np.mean(measure_naively(mine, reference)), abs=1e-5)
    for axis, name in enumerate(("pitch", "yaw")):
        expected = pearsonr(mine[:, axis], reference[:, axis]).statistic
        assert found[f"pearson_{name}"] == pytest.approx(expected, abs=1e-12)
    assert found["gain_deg"] == pytest.approx(found["constant_error_deg"] - found["error_deg"])
    low, high = found["gain_deg_interval"]
    assert 0 < low < found["gain_deg"] < high
    assert found["beats_constant"] is True
    assert found["why_null"] == {}
    assert set(found) == {*FIGURES, "why_null"}


@pytest.mark.parametrize("skewed", [False, True])
def test_no_constant_does_better_than_the_best(skewed: bool) -> None:
    angles = draw_gaze(spread=0.4)
    if skewed:
        angles[:80] += (0.6, -0.9)  # the mean is then far from the median
    best = find_best_constant(angles)
    searched = minimize(
        measure_constant, angles.mean(axis=0), args=(angles,), method="Nelder-Mead", tol=1e-10
    )
    # The search compares means of arccos, which are exact to about 1e-6 degrees.
    assert measure_constant(best, angles) <= searched.fun + 1e-5
    assert best == pytest.approx(searched.x, abs=1e-3)
    assert measure_constant(best, angles) <= measure_constant(angles.mean(axis=0), angles) + 1e-5


def test_a_constant_reference_is_its_own_best_constant() -> None:
    reference = np.tile((0.1, -0.2), (5, 1))
    assert find_best_constant(reference) == pytest.approx((0.1, -0.2), abs=1e-9)
    found = compare_gaze(draw_gaze(5), reference, bootstrap=20)
    assert found["constant_error_deg"] == pytest.approx(0, abs=1e-6)
    assert found["beats_constant"] is False
    for name in ("pitch", "yaw"):
        assert found[f"pearson_{name}"] is None
        why = f"the {name} of the reference is the same on all images"
        assert found["why_null"][f"pearson_{name}"] == why


@pytest.mark.parametrize("kind", ["mean", "median", "best", "noise", "zero", "runaway"])
def test_heads_that_know_nothing_of_the_image_never_beat_the_constant(kind: str) -> None:
    reference = draw_gaze(300)
    reference[:90] += (0.3, 0.5)
    rng = np.random.default_rng(3)
    mine = {
        "mean": np.tile(reference.mean(axis=0), (300, 1)),
        "median": np.tile(np.median(reference, axis=0), (300, 1)),
        "best": np.tile(find_best_constant(reference), (300, 1)),
        "noise": find_best_constant(reference) + rng.normal(0, 0.02, (300, 2)),
        "zero": np.zeros((300, 2)),
        "runaway": rng.normal(0, 2.5, (300, 2)),
    }[kind]
    found = compare_gaze(mine, reference, bootstrap=200)
    # The constant is exact to the size of its last step, far below a thousandth of a degree.
    assert found["gain_deg"] < 1e-3
    assert found["beats_constant"] is False
    if kind in ("mean", "median", "best", "zero"):
        assert (
            found["why_null"]["pearson_yaw"] == "the yaw of the subject is the same on all images"
        )


def test_persons_are_drawn_together() -> None:
    """Forty copies of each of five faces say no more than five faces do."""
    reference = np.repeat(draw_gaze(5), 40, axis=0)
    mine = np.repeat(draw_gaze(5, seed=7, spread=0.05), 40, axis=0) + 0.8 * reference
    persons = np.repeat(np.array(list("abcde")), 40)
    alone = compare_gaze(mine, reference, bootstrap=400)["gain_deg_interval"]
    together = compare_gaze(mine, reference, persons, bootstrap=400)["gain_deg_interval"]
    assert together[1] - together[0] > 3 * (alone[1] - alone[0])  # about sqrt(40) as wide
    gains = measure_errors(find_best_constant(reference)[None], reference)
    gains = (gains - measure_errors(mine, reference)).reshape(5, 40).mean(axis=1)
    rng = np.random.default_rng(1)
    drawn = [gains[rng.integers(0, 5, 5)].mean() for _ in range(4000)]
    # Quantiles of 400 and of 4000 draws; five persons make a coarse distribution.
    assert together == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=0.15 * np.ptp(drawn))


def test_what_is_undefined_is_null_with_its_reason() -> None:
    gaze = draw_gaze(6)
    none = compare_gaze(gaze, np.full((6, 2), np.nan), bootstrap=20)
    assert {none[key] for key in FIGURES} == {None}
    assert set(none["why_null"]) == set(FIGURES)
    single = compare_gaze(gaze, gaze * 0.9, np.array(["a"] * 6), bootstrap=20)
    assert single["gain_deg_interval"] is None
    assert single["why_null"] == {"gain_deg_interval": "all images are of one person"}
    assert single["beats_constant"] is False  # one person is no evidence
    off = compare_gaze(gaze, gaze * 0.9, bootstrap=0)
    assert off["why_null"] == {"gain_deg_interval": "intervals were switched off"}
    assert off["beats_constant"] is True


def test_images_without_label_are_left_out() -> None:
    reference = draw_gaze(50)
    mine = reference + 0.01
    hidden = reference.copy()
    hidden[::5] = np.nan
    known = np.isfinite(hidden).all(axis=1)
    persons = np.array([f"p{number // 2}" for number in range(50)])
    found = compare_gaze(mine, hidden, persons, bootstrap=30)
    assert found == compare_gaze(mine[known], reference[known], persons[known], bootstrap=30)
    assert found["n"] == 40


def make_judged(role: Any, gaze: np.ndarray | None) -> Judged:
    subject = Subject(role, role, "torch", "fp32", 1.0, lambda images: {}, 32)
    labels = ("real", "swap") * 20
    outputs = SplitOutputs(np.zeros(40), np.zeros((40, 2)), labels, gaze)
    return Judged(subject, {"test": outputs}, None)


def make_context(labels: np.ndarray | None) -> Any:
    samples = [
        SimpleNamespace(gaze=None if labels is None else tuple(labels[number]))
        for number in range(40)
    ]
    recipe = SimpleNamespace(report=SimpleNamespace(bootstrap=30), seed=0)
    manifest = SimpleNamespace(split=lambda name: samples)
    return SimpleNamespace(manifest=manifest, recipe=recipe)


def test_every_subject_is_compared_with_teacher_and_labels() -> None:
    truth = draw_gaze(40)
    taught = truth + draw_gaze(40, seed=1, spread=0.05)
    learnt = taught + draw_gaze(40, seed=2, spread=0.02)
    judged = [
        make_judged("baseline", None),
        make_judged("teacher", taught),
        make_judged("student", learnt),
    ]
    baseline, teacher, student = measure_gaze(make_context(truth), judged)
    for reference in ("teacher", "labels"):
        assert baseline["test"][reference]["error_deg"] is None
        why = baseline["test"][reference]["why_null"]["error_deg"]
        assert why == "the subject gives no gaze"
    why = teacher["test"]["teacher"]["why_null"]["error_deg"]
    assert why == "the teacher is the reference itself"
    expected = {
        "teacher": (teacher["test"]["labels"], taught, truth),
        "student": (student["test"]["teacher"], learnt, taught),
        "labels": (student["test"]["labels"], learnt, truth),
    }
    for found, mine, theirs in expected.values():
        assert found["error_deg"] == pytest.approx(np.mean(measure_naively(mine, theirs)), abs=1e-5)
        assert found["beats_constant"] is True


def test_without_teacher_or_labels_the_figures_are_null() -> None:
    judged = [make_judged("teacher", None), make_judged("student", draw_gaze(40))]
    _, student = measure_gaze(make_context(None), judged)
    reasons = {name: student["test"][name]["why_null"]["n"] for name in ("teacher", "labels")}
    assert reasons == {
        "teacher": "the teacher gives no gaze",
        "labels": "the manifest has no gaze labels of this split",
    }
    (alone,) = measure_gaze(make_context(None), judged[1:])
    assert alone["test"]["teacher"]["why_null"]["n"] == "the report has no teacher"
