"""Bundles on a device in the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.devices.base import Timing
from benchmarks.report.data import ReportData
from benchmarks.report.device import build_device_table, describe_device
from benchmarks.report.markdown import render_markdown
from benchmarks.report.page import render_html
from benchmarks.report.schema import validate_report
from gazeclip.console.tables import MISSING


def make_device() -> dict[str, Any]:
    timed = Timing(threads=1, calls=100, p50_ms=6.1, mean_ms=6.25, min_ms=5.9, init_ms=12.5)
    rows = [
        {"name": "tflite", "precision": "int8", **timed.to_dict()},
        {"name": "onnx <b>", "precision": "int8", **Timing("not run: odd").to_dict()},
    ]
    return {"label": "Pixel 9 by adb", "rows": rows}


def test_a_row_for_each_bundle_with_its_state() -> None:
    table = build_device_table(make_device()["rows"])
    assert table.rows[0] == [
        "tflite",
        "1",
        "6.10",
        "6.25",
        "5.90",
        "12.5",
        MISSING,
        "100",
        "measured",
    ]
    assert table.rows[1][1:-1] == [MISSING] * 7 and table.rows[1][-1] == "not run: odd"


def test_page_and_markdown_have_it(report_data: Callable[..., ReportData]) -> None:
    data = report_data(device=make_device())
    assert validate_report(data.to_json()) == []
    page = render_html(data)
    assert "On Pixel 9 by adb" in page and "onnx &lt;b&gt;" in page
    assert "## On Pixel 9 by adb" in render_markdown(data)
    assert "by adb" not in render_html(report_data())


def test_the_note_names_adbs_tool_for_what_it_timed_only() -> None:
    device = make_device()
    assert "benchmark_model" in describe_device(device)
    timed = Timing(calls=100, p50_ms=6.1, min_ms=5.9)  # as Core ML's units are
    rows = [{"name": "coreml", "precision": "fp16", **timed.to_dict()}]
    assert "benchmark_model" not in describe_device({"label": "Core ML", "rows": rows})
