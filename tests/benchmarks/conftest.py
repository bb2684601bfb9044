"""A small report with everything in it."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.measure import curves
from benchmarks.measure.accuracy import LEVELS, evaluate_splits
from benchmarks.measure.gaze import compare_gaze
from benchmarks.measure.latency import LatencyStats
from benchmarks.measure.subject import Subject
from benchmarks.report.data import (
    Flips,
    GalleryItem,
    ReportData,
    describe_subject,
    encode_thumbnail,
)
from gazeclip.bundle.contents import OperatingPoint
from gazeclip.bundle.rule import Rule
from gazeclip.scoring.evidence import Evidence
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.taxonomy import Taxonomy

TAXONOMY = Taxonomy.load("demo")
CLASSES = TAXONOMY.classes()
RULE = Rule(Evidence(("detection",), (2.0,), -2.0, -5.0, 5.0), OperatingPoint("fpr1", 1.0, -1.0))


def stats(p50: float, **changes: Any) -> LatencyStats:
    fields: dict[str, Any] = {
        "p90": p50 * 1.1,
        "p95": p50 * 1.2,
        "p99": None,
        "min": p50 * 0.9,
        "threads": 2,
        "batch": 1,
        "calls": 90,
    }
    fields |= {
        "rounds": 9,
        "rounds_repeated": 0,
        "warmup_calls": 10,
        "stable": True,
        "disturbed": False,
    }
    return LatencyStats(p50=p50, **{**fields, **changes})


def outputs(split: str, strength: float, seed: int = 0) -> SplitOutputs:
    rng = np.random.default_rng(seed)
    names = [g.name for g in TAXONOMY.generators if g.name == "real" or g.seen == (split == "test")]
    labels = tuple(names * 6)
    fake = np.array([label != "real" for label in labels])
    logits = rng.normal(0, 1, (len(labels), len(CLASSES)))
    return SplitOutputs(
        rng.normal(0, 1, len(labels)) + strength * fake,
        logits,
        labels,
        rng.normal(0, 0.2, (len(labels), 2)),
    )


@functools.cache
def judge(strength: float, splits: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """Accuracy and curves of answers as good as `strength`; dozens of reports hold the same."""
    found = {split: outputs(split, strength) for split in splits}
    accuracy = evaluate_splits(found, TAXONOMY, CLASSES, rule=RULE, bootstrap=30)
    drawn = {
        split: {
            "roc": curves.roc_points(o.is_fake, o.fake_logit),
            "confusion": curves.confusion_counts(o, TAXONOMY, CLASSES, LEVELS[split]),
        }
        for split, o in found.items()
    }
    return accuracy, drawn


def entry(
    name: str,
    role: Any,
    engine: Any,
    precision: Any,
    p50: float | None,
    strength: float,
    gaze: Any = None,
    **changes: Any,
) -> dict[str, Any]:
    accuracy, drawn = copy.deepcopy(judge(strength, tuple(LEVELS)))
    subject = Subject(
        name,
        role,
        engine,
        precision,
        changes.pop("size_mb", 2.71),
        lambda images: {},
        224,
        **changes,
    )
    timed = None if p50 is None else stats(p50)
    return describe_subject(subject, timed, accuracy, drawn, gaze)


@functools.cache
def learnt_gaze(noise: float = 0.05, follows: float = 0.9) -> dict[str, Any]:
    """Gaze figures of a head that follows its teacher's so far; of one that does not at 0."""
    rng = np.random.default_rng(0)
    taught = rng.normal(0, 0.2, (60, 2))
    mine = follows * taught + rng.normal(0, noise, (60, 2))
    return {"test": {"teacher": compare_gaze(mine, taught, bootstrap=50)}}


@pytest.fixture(scope="session")
def report_data() -> Callable[..., ReportData]:
    def make(**changes: Any) -> ReportData:
        parity = {
            "embedding_cosine_min": 0.998,
            "prob_max_abs": 0.02,
            "sign_agreement": 0.99,
            "verdict_agreement_fp32": 0.95,
        }
        subjects = [
            entry("teacher ViT-B-16", "teacher", "torch", "fp32", 40.0, 2.0, size_mb=346.0),
            entry("baseline <b>&", "baseline", "torch", "fp32", 12.0, 1.0, notes="no gaze"),
            entry("student", "student", "torch", "fp32", 13.0, 1.9, size_mb=10.6),
            entry(
                "student",
                "student",
                "openvino",
                "int8",
                0.8,
                1.8,
                gaze=copy.deepcopy(learnt_gaze()),
                parity=parity,
            ),
            entry(
                "student",
                "student",
                "coreml-reference",
                "fp16",
                None,
                1.9,
                size_mb=5.3,
                parity=parity,
            ),
        ]
        found = outputs("test", 1.8)
        flips = [
            {
                "index": 3,
                "label": "swap_gan",
                "before": "fake",
                "after": "inconclusive",
                "llr_before": 1.6,
                "llr_after": 0.4,
                "image": encode_thumbnail(np.zeros((32, 32, 3), np.uint8)),
            }
        ]
        fields: dict[str, Any] = {
            "run": "demo",
            "machine": {
                "cpu": "Some CPU",
                "flags": ["AVX2"],
                "load_average": None,
                "versions": {"numpy": "1.26.4"},
            },
            "subjects": subjects,
            "caveats": ["Small sets <script>alert(1)</script>"],
            "provenance": {"seed": 0, "teacher": "ab" * 32},
            "gaze": {"test": curves.gaze_histogram(found.gaze, found.is_fake)},  # type: ignore[arg-type]
            "flips": [Flips("student fp32", "student int8", "test", 48, flips)],
            "gallery": [
                GalleryItem(
                    encode_thumbnail(np.full((64, 48, 3), 120, np.uint8)), "real", "real", -2.2, ""
                )
            ],
        }
        return ReportData(**{**fields, **changes})

    return make
