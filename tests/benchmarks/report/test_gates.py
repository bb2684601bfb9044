"""The gate in the report: who is compared with whom, and what the tables say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.measure.judge import Judged
from benchmarks.measure.subject import TORCH, Subject
from benchmarks.measure.twins import build_gates, list_slower_files
from benchmarks.report.data import ReportData
from benchmarks.report.gates import build_tables, render_gates_markdown
from benchmarks.report.write import write_report
from gazeclip.bundle.contents import OperatingPoint
from gazeclip.bundle.rule import Rule
from gazeclip.data.rows import Sample
from gazeclip.recipe.stages import GateConfig
from gazeclip.scoring.evidence import Evidence
from gazeclip.scoring.outputs import SplitOutputs

CLASSES = ("real", "swap_poisson")
N = 40
TARGETS = np.arange(N) % 2
LABELS = tuple(CLASSES[target] for target in TARGETS)
SAID = {
    "outcome": "pass",
    "accepted": True,
    "agreement": 0.975,
    "drops": [
        {
            "figure": "tpr",
            "before": 0.9,
            "after": 0.89,
            "drop": 0.01,
            "low": -0.01,
            "high": None,
            "limit": 0.03,
            "outcome": "pass",
            "images": 400,
            "enough": None,
            "generator": None,
        }
    ],
}


@pytest.fixture
def context() -> Any:
    samples = [Sample(Path(f"{n}.jpg"), LABELS[n], "test", f"p{n}", (0.0, 0.1)) for n in range(N)]
    return SimpleNamespace(
        recipe=SimpleNamespace(
            gate=GateConfig(rounds=100),
            seed=0,
            teacher=SimpleNamespace(model=SimpleNamespace(gaze=SimpleNamespace(kind="small"))),
        ),
        manifest=SimpleNamespace(split=lambda split: samples if split == "test" else []),
        classes=CLASSES,
        list_targets=lambda split: TARGETS,
    )


def judged(framework: str, engine: str, precision: Any, lost: int, gate: Any = None) -> Judged:
    """Calls every forgery fake but the first `lost`."""
    rule = Rule(Evidence(("detection",), (1.0,), 0.0, -9.0, 9.0), OperatingPoint("fpr1", 1.0, -1.0))
    fake_logit = np.where(TARGETS == 1, 2.0, -2.0)
    fake_logit[np.flatnonzero(TARGETS)[:lost]] = 0.0
    logits = np.stack([1.0 - TARGETS, TARGETS], axis=1)
    gaze = np.tile([0.0, 0.1], (N, 1))
    subject = Subject(
        f"{framework} {precision}",
        "student",
        engine,
        precision,
        1.0,
        lambda images: {},
        32,
        rule=rule,
        framework=framework,
        gate=gate,
    )
    return Judged(subject, {"test": SplitOutputs(fake_logit, logits, LABELS, gaze)}, None)


def test_a_file_is_compared_with_the_fp32_file_of_its_engine(context: Any) -> None:
    subjects = [
        judged(TORCH, TORCH, "fp32", 0),
        judged("onnx", "onnxruntime", "fp32", 0),
        judged("onnx", "onnxruntime", "int8", 5, SAID),
        judged("openvino", "openvino", "int8", 0),  # neither judged nor with a twin
        judged("tflite", "litert", "int8", 0, SAID),  # judged, but the twin is not measured
    ]
    entry, lone = build_gates(context, subjects)
    assert (lone["after"], lone["outcome"], lone["test"]) == ("tflite int8", "pass", [])
    (row,) = build_tables([lone])[0].rows
    assert row[3].startswith("+0.0100") and row[-1] == "\N{EN DASH}"
    assert (entry["before"], entry["after"]) == ("onnx fp32", "onnx int8")
    assert (entry["outcome"], entry["accepted"], entry["val"]) == ("pass", True, SAID["drops"])
    drops = {drop["figure"]: drop for drop in entry["test"]}
    assert drops["tpr"]["drop"] == pytest.approx(5 / 20)
    assert entry["test_agreement"] == pytest.approx(1 - 5 / N)
    assert drops["gaze_deg"]["after"] == pytest.approx(0, abs=1e-9)


def test_tables_show_val_beside_test_and_no_bound_as_a_dash(context: Any) -> None:
    subjects = [
        judged("onnx", "onnxruntime", "fp32", 0),
        judged("onnx", "onnxruntime", "int8", 5, SAID),
    ]
    (table,) = build_tables(build_gates(context, subjects))
    rows = {row[0]: row for row in table.rows}
    row = rows["TPR at the shipped threshold"]
    assert row[1:3] == ("0.9000", "0.8900")
    assert row[3].startswith("+0.0100 [-0.0100, ") and row[4:6] == ("0.03", "pass")
    assert row[6].startswith("+0.2500 [")
    assert "97.5% on val, 87.5% on test" in table.title and "pass, accepted" in table.title
    assert "## The gate" in render_gates_markdown(build_gates(context, subjects))


def test_where_the_gate_was_off_only_test_is_shown(context: Any) -> None:
    subjects = [
        judged("onnx", "onnxruntime", "fp32", 0),
        judged("onnx", "onnxruntime", "int8", 0),
    ]
    (table,) = build_tables(build_gates(context, subjects))
    assert "the gate was off" in table.title
    assert all(set(row[3:6]) == {"\N{EN DASH}"} for row in table.rows)
    assert render_gates_markdown([]) == []


def test_a_file_that_is_slower_than_its_twin_is_named() -> None:
    def timed(item: Judged, p50_ms: float | None) -> Judged:
        latency: Any = None if p50_ms is None else SimpleNamespace(p50=p50_ms)
        return replace(item, latency=latency)

    def list_of(fp32_ms: float | None, int8_ms: float) -> list[str]:
        pair = [judged("onnx", "onnxruntime", name, 0) for name in ("fp32", "int8")]
        return list_slower_files([timed(pair[0], fp32_ms), timed(pair[1], int8_ms)])

    (sentence,) = list_of(2.0, 3.0)
    assert "onnx int8 takes longer here than onnx fp32 (3.00 and 2.00 ms)" in sentence
    assert list_of(3.0, 2.0) == [] and list_of(None, 2.0) == []


def test_the_page_and_the_json_have_it(
    context: Any, report_data: Callable[..., ReportData], tmp_path: Path
) -> None:
    subjects = [
        judged("onnx", "onnxruntime", "fp32", 0),
        judged("onnx", "onnxruntime", "int8", 1, SAID),
    ]
    write_report(tmp_path, report_data(gates=build_gates(context, subjects)))
    assert "<h2>The gate</h2>" in (tmp_path / "report.html").read_text()
    assert '"gates"' in (tmp_path / "report.json").read_text()
