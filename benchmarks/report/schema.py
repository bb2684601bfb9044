"""The contract of report.json. Other tools read it: faults are found before the file exists.

Schema 3: `accuracy.<split>` has `shipped` (answers at the threshold that ships), `cllr` and
`min_cllr`, and its `ece` is that of a prior of one half; subjects have a `gaze`, by split and
reference (`teacher`, `labels`): how far it is from the reference's, beside the best constant
(`benchmarks.measure.gaze.compare_gaze`). Schema 2: subjects have a `framework`, the role `baseline`
was `peer`, the engine `litert` was `tflite`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.measure.gaze import REFERENCES
from benchmarks.measure.subject import ROLES, TORCH, engine_titles
from benchmarks.report.peers_schema import check_peers
from benchmarks.report.schema_checks import (
    check_choices,
    check_number,
    check_text,
    is_number,
    prefix_faults,
)
from benchmarks.report.speed_schema import check_speed
from export.registry import TARGETS
from gazeclip.bundle.layout import PRECISIONS

SCHEMA = 3
SPLITS = ("test", "test_unseen")
LATENCY_TIMES = ("p50", "p90", "p95", "p99")
LATENCY = (*LATENCY_TIMES, "threads", "batch")
SHARES = ("auc", "tpr_at_fpr1", "attribution_acc", "ece")
COSTS = ("cllr", "min_cllr")
ACCURACY = (*SHARES, *COSTS, "shipped", "n")
ANSWERS = ("fpr", "tpr", "miss", "inconclusive")
# Against the PyTorch model of the same precision, on val and golden images; the last one against
# the float student, on the test images.
PARITY = ("embedding_cosine_min", "prob_max_abs", "sign_agreement", "verdict_agreement_fp32")


def validate_report(report: Any) -> list[str]:
    """Every fault as `place: what is wrong`; empty if `report` follows the schema.

    Figures are fractions or null. Further keys are allowed anywhere, but NaN and infinity nowhere.
    """
    if not isinstance(report, Mapping):
        return ["report: is not an object"]
    faults = [
        f"{place}: is {value}, must be a number or null"
        for place, value in _find_not_finite(report, "")
    ]
    if report.get("schema") != SCHEMA or isinstance(report.get("schema"), bool):
        faults.append(f"schema: is {report.get('schema')!r}, must be {SCHEMA}")
    if not isinstance(report.get("run"), str) or not report.get("run"):
        faults.append("run: must be the name of the run")
    if not isinstance(report.get("machine"), Mapping):
        faults.append("machine: must be an object")
    faults += check_peers(report)
    faults += check_speed(report)
    subjects = report.get("subjects")
    if not isinstance(subjects, list):
        return [*faults, "subjects: must be a list"]
    seen: dict[tuple[Any, ...], int] = {}
    for place, subject in enumerate(subjects):
        where = f"subjects[{place}]"
        if not isinstance(subject, Mapping):
            faults.append(f"{where}: is not an object")
            continue
        faults += prefix_faults(where, _check_subject(subject))
        key = tuple(str(subject.get(name)) for name in ("name", "engine", "precision"))
        if key in seen:
            faults.append(f"{where}: same name, engine and precision as subjects[{seen[key]}]")
        seen.setdefault(key, place)
    return faults


def _check_subject(subject: Mapping[str, Any]) -> Iterator[str]:
    yield from check_text(subject, "name")
    known = {
        "role": ROLES,
        "framework": (TORCH, *TARGETS),
        "engine": tuple(engine_titles()),
        "precision": PRECISIONS,
    }
    yield from check_choices(subject, known)
    yield from check_number(subject, "size_mb", above=0)
    yield from _check_latency(subject)
    yield from _check_accuracy(subject)
    yield from _check_gaze(subject)
    parity = subject.get("parity", {})
    if not isinstance(parity, Mapping):
        yield "parity: must be an object (its figures null if not measured)"
    else:
        yield from prefix_faults(
            "parity", check_number(parity, "embedding_cosine_min", low=-1.0001, high=1.0001)
        )
        yield from prefix_faults("parity", check_number(parity, "prob_max_abs", low=0, high=1))
        yield from prefix_faults("parity", check_number(parity, "sign_agreement", low=0, high=1))
        if "verdict_agreement_fp32" in parity:  # reports from before it was measured
            yield from prefix_faults(
                "parity", check_number(parity, "verdict_agreement_fp32", low=0, high=1)
            )


def _check_latency(subject: Mapping[str, Any]) -> Iterator[str]:
    latency = subject.get("latency_ms")
    if not isinstance(latency, Mapping):
        yield "latency_ms: must be an object (its figures null if not measured)"
        return
    for key in LATENCY_TIMES:
        yield from prefix_faults("latency_ms", check_number(latency, key, above=0))
    for key in ("threads", "batch"):
        yield from prefix_faults("latency_ms", check_number(latency, key, low=1, whole=True))
    times = [latency[key] for key in LATENCY_TIMES if is_number(latency.get(key))]
    if times != sorted(times):
        yield "latency_ms: a higher percentile is below a lower one"


def _check_accuracy(subject: Mapping[str, Any]) -> Iterator[str]:
    accuracy = subject.get("accuracy")
    if not isinstance(accuracy, Mapping):
        yield "accuracy: must be an object"
        return
    for split in SPLITS:
        figures = accuracy.get(split)
        if not isinstance(figures, Mapping):
            yield f"accuracy.{split}: must be an object (its figures null if not measured)"
            continue
        for key in SHARES:
            yield from prefix_faults(f"accuracy.{split}", check_number(figures, key, low=0, high=1))
        for key in COSTS:
            yield from prefix_faults(f"accuracy.{split}", check_number(figures, key, low=0))
        yield from prefix_faults(f"accuracy.{split}", _check_shipped(figures))
        yield from prefix_faults(f"accuracy.{split}", check_number(figures, "n", low=0, whole=True))


def _check_gaze(subject: Mapping[str, Any]) -> Iterator[str]:
    gaze = subject.get("gaze")
    if not isinstance(gaze, Mapping):
        yield "gaze: must be an object"
        return
    for split in SPLITS:
        for reference in REFERENCES:
            where = f"gaze.{split}.{reference}"
            references = gaze.get(split)
            figures = references.get(reference) if isinstance(references, Mapping) else None
            if not isinstance(figures, Mapping):
                yield f"{where}: must be an object (its figures null if not measured)"
                continue
            yield from prefix_faults(where, _check_gaze_figures(figures))


def _check_gaze_figures(figures: Mapping[str, Any]) -> Iterator[str]:
    yield from check_number(figures, "n", low=1, whole=True)
    for key in ("error_deg", "constant_error_deg"):
        yield from check_number(figures, key, low=0, high=180)
    for key in ("pearson_pitch", "pearson_yaw"):
        yield from check_number(figures, key, low=-1.0001, high=1.0001)
    yield from check_number(figures, "gain_deg", low=-180, high=180)
    for key in ("constant_deg", "gain_deg_interval"):
        pair = figures.get(key, ())
        if pair is None:
            continue
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(map(is_number, pair)):
            yield f"{key}: must be two numbers or null"
    verdict = figures.get("beats_constant", "missing")
    if verdict is not None and not isinstance(verdict, bool):
        yield "beats_constant: must be true, false or null"


def _check_shipped(figures: Mapping[str, Any]) -> Iterator[str]:
    shipped = figures.get("shipped", ())
    if shipped is None:
        return
    if not isinstance(shipped, Mapping):
        yield "shipped: must be an object (null if not measured)"
        return
    for key in ANSWERS:
        yield from prefix_faults("shipped", check_number(shipped, key, low=0, high=1))


def _find_not_finite(value: Any, place: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield place.lstrip("."), value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _find_not_finite(item, f"{place}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _find_not_finite(item, f"{place}[{index}]")
