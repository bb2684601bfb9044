"""What the report shows of all subjects together: twins, and which of them is shown on top."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.measure.judge import Judged
from benchmarks.measure.latency import LatencyStats
from benchmarks.measure.subject import TORCH, Subject
from benchmarks.report.compose import build_flips, choose_headline
from gazeclip.bundle.contents import OperatingPoint
from gazeclip.bundle.rule import Rule
from gazeclip.scoring.evidence import Evidence
from gazeclip.scoring.outputs import SplitOutputs

LABELS = ("real", "swap_poisson", "real")
IMAGES = {"test": np.zeros((3, 32, 32, 3), dtype=np.uint8)}
TIMED: Any = object()  # any latency: only whether there is one counts here


def judged(
    name: str, framework: str, engine: str, precision: Any, logits: tuple[float, ...], timed: bool
) -> Judged:
    subject = Subject(
        name,
        "student",
        engine,
        precision,
        1.0,
        lambda images: {},
        32,
        framework=framework,
        rule=Rule(Evidence(("detection",), (1.0,), 0.0, -9.0, 9.0), OperatingPoint("fpr1", 0, 0)),
    )
    outputs = {"test": SplitOutputs(np.array(logits), np.zeros((3, 2)), LABELS)}
    latency: LatencyStats | None = TIMED if timed else None
    return Judged(subject, outputs, latency)


def test_twins_are_found_by_what_they_are_and_not_by_their_names() -> None:
    subjects = [
        judged("a", TORCH, "torch", "fp32", (-1, 1, -1), True),
        judged("model fp32", "onnx", "onnxruntime", "fp32", (-1, 1, -1), True),
        judged("b", "onnx", "onnxruntime", "int8", (-1, -1, 1), True),
        judged("c", "openvino", "openvino", "fp16", (-1, 1, -1), True),
        judged("model int8", "openvino", "openvino", "int8", (-1, 1, -1), True),
    ]
    (flips,) = build_flips(subjects, IMAGES)
    assert (flips.before, flips.after, flips.split, flips.n) == ("model fp32", "b", "test", 3)
    assert sorted(item["index"] for item in flips.items) == [1, 2]


def test_the_headline_is_an_int8_file_that_was_timed() -> None:
    float_student = judged("a", TORCH, "torch", "fp32", (0, 0, 0), True)
    untimed = judged("b", "coreml", "coreml-reference", "int8", (0, 0, 0), False)
    timed = judged("c", "onnx", "onnxruntime", "int8", (0, 0, 0), True)
    assert choose_headline([float_student, untimed, timed]) is timed
    assert choose_headline([float_student, untimed]) is float_student
