"""The validator accepts a report of the documented form and names every fault of another."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from benchmarks.report.schema import validate_report

ACCURACY = {
    "auc": 0.97,
    "tpr_at_fpr1": 0.8,
    "attribution_acc": 0.9,
    "ece": 0.03,
    "cllr": 0.2,
    "min_cllr": 0.1,
    "shipped": {"fpr": 0.01, "tpr": 0.8, "miss": 0.1, "inconclusive": None},
    "n": 400,
}
GAZE = {
    "n": 400,
    "error_deg": 3.1,
    "pearson_pitch": 0.7,
    "pearson_yaw": 0.9,
    "constant_deg": [1.0, -0.5],
    "constant_error_deg": 6.0,
    "gain_deg": 2.9,
    "gain_deg_interval": [2.5, 3.2],
    "beats_constant": True,
}
NOT_COMPARED = dict.fromkeys(GAZE)
REPORT: dict[str, Any] = {
    "schema": 3,
    "run": "demo",
    "machine": {"cpu": "x"},
    "subjects": [
        {
            "name": "student",
            "role": "student",
            "framework": "openvino",
            "engine": "openvino",
            "precision": "int8",
            "size_mb": 2.7,
            "latency_ms": {
                "p50": 1.0,
                "p90": 1.1,
                "p95": 1.2,
                "p99": None,
                "threads": 2,
                "batch": 1,
            },
            "accuracy": {"test": ACCURACY, "test_unseen": {**ACCURACY, "auc": None}},
            "parity": {
                "embedding_cosine_min": 0.998,
                "prob_max_abs": 0.02,
                "sign_agreement": 0.99,
            },
            "gaze": {
                "test": {"teacher": {**GAZE}, "labels": {**NOT_COMPARED}},
                "test_unseen": {"teacher": {**GAZE, "beats_constant": False}, "labels": {**GAZE}},
            },
            "further": {"keys": "are fine"},
        }
    ],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    report = copy.deepcopy(REPORT)
    *parents, last = path.split(".")
    place: Any = report
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return report


def test_the_documented_form_is_valid() -> None:
    assert validate_report(REPORT) == []


@pytest.mark.parametrize(
    "path",
    [
        "size_mb",
        "latency_ms.p50",
        "latency_ms.threads",
        "accuracy.test.auc",
        "accuracy.test.n",
        "parity.prob_max_abs",
        "gaze.test.teacher.error_deg",
        "gaze.test_unseen.labels.pearson_yaw",
    ],
)
def test_what_was_not_measured_is_null_and_still_there(path: str) -> None:
    assert validate_report(changed(f"subjects.0.{path}", None)) == []
    faults = validate_report(changed(f"subjects.0.{path}", KeyError))
    assert faults == [f"subjects[0].{path}: is missing (null if not measured)"]


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("schema", 2, "schema: is 2, must be 3"),
        ("schema", True, "schema: is True, must be 3"),
        ("run", "", "run: must be the name of the run"),
        ("machine", None, "machine: must be an object"),
        ("subjects", {}, "subjects: must be a list"),
        (
            "subjects.0.role",
            "pupil",
            "subjects[0].role: is 'pupil', must be one of teacher, student, baseline",
        ),
        ("subjects.0.engine", "tflite", "subjects[0].engine: is 'tflite', must be one of"),
        (
            "subjects.0.framework",
            "keras",
            "subjects[0].framework: is 'keras', must be one of torch",
        ),
        ("subjects.0.precision", "int4", "subjects[0].precision: is 'int4'"),
        ("subjects.0.size_mb", 0.0, "subjects[0].size_mb: is 0.0, must be above 0"),
        ("subjects.0.latency_ms.p50", 0, "subjects[0].latency_ms.p50: is 0, must be above 0"),
        (
            "subjects.0.latency_ms.p90",
            0.5,
            "subjects[0].latency_ms: a higher percentile is below a lower one",
        ),
        (
            "subjects.0.latency_ms.batch",
            1.5,
            "subjects[0].latency_ms.batch: is 1.5, must be a whole number",
        ),
        ("subjects.0.latency_ms", None, "subjects[0].latency_ms: must be an object"),
        (
            "subjects.0.accuracy.test.auc",
            97.0,
            "subjects[0].accuracy.test.auc: is 97.0, must lie in [0, 1] "
            "(figures are fractions, not percent)",
        ),
        (
            "subjects.0.accuracy.test.ece",
            "low",
            "subjects[0].accuracy.test.ece: is 'low', must be a number or null",
        ),
        (
            "subjects.0.accuracy.test_unseen",
            None,
            "subjects[0].accuracy.test_unseen: must be an object",
        ),
        (
            "subjects.0.parity.sign_agreement",
            -0.1,
            "subjects[0].parity.sign_agreement: is -0.1, must lie in [0, 1]",
        ),
        ("subjects.0.gaze", None, "subjects[0].gaze: must be an object"),
        (
            "subjects.0.gaze.test.labels",
            None,
            "subjects[0].gaze.test.labels: must be an object (its figures null if not measured)",
        ),
        (
            "subjects.0.gaze.test.teacher.error_deg",
            190.0,
            "subjects[0].gaze.test.teacher.error_deg: is 190.0, must lie in [0, 180]",
        ),
        (
            "subjects.0.gaze.test.teacher.pearson_yaw",
            -2,
            "subjects[0].gaze.test.teacher.pearson_yaw: is -2, must lie in",
        ),
        (
            "subjects.0.gaze.test.teacher.gain_deg_interval",
            [1.0],
            "subjects[0].gaze.test.teacher.gain_deg_interval: must be two numbers or null",
        ),
        (
            "subjects.0.gaze.test.teacher.constant_deg",
            KeyError,
            "subjects[0].gaze.test.teacher.constant_deg: must be two numbers or null",
        ),
        (
            "subjects.0.gaze.test.teacher.beats_constant",
            1,
            "subjects[0].gaze.test.teacher.beats_constant: must be true, false or null",
        ),
        ("subjects.0.parity", None, "subjects[0].parity: must be an object"),
        (
            "subjects.0.accuracy.test.auc",
            float("nan"),
            "subjects[0].accuracy.test.auc: is nan, must be a number or null",
        ),
        (
            "subjects.0.further.keys",
            [1.0, float("inf")],
            "subjects[0].further.keys[1]: is inf, must be a number or null",
        ),
    ],
)
def test_each_fault_is_named_once_at_its_place(path: str, value: Any, fault: str) -> None:
    faults = validate_report(changed(path, value))
    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_all_faults_come_at_once() -> None:
    report = changed("subjects.0.role", "x")
    report["schema"] = None
    report["subjects"][0]["accuracy"]["test"]["auc"] = 97
    assert len(validate_report(report)) == 3


def test_two_subjects_of_one_identity_are_refused() -> None:
    report = copy.deepcopy(REPORT)
    report["subjects"].append(copy.deepcopy(REPORT["subjects"][0]))
    assert validate_report(report) == [
        "subjects[1]: same name, engine and precision as subjects[0]"
    ]
    report["subjects"][1]["precision"] = "fp32"
    assert validate_report(report) == []


def test_not_even_an_object() -> None:
    assert validate_report([]) == ["report: is not an object"]
