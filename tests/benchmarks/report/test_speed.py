"""Threads, batches, starts and stages in the report."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.report import speed
from benchmarks.report.data import ReportData
from benchmarks.report.markdown import render_markdown
from benchmarks.report.page import render_html
from benchmarks.report.schema import validate_report

ENERGY = {"idle_w": 4.0, "rows": [{"name": "onnx", "mj": 30.0, "watts": 12.0}]}
STAGES = {"decode": 30.0, "detect": 20.0, "inference": 2.0, "post": 0.5}


def make_speed() -> dict[str, Any]:
    sweep = []
    for target in ("onnx", "openvino"):
        for threads, batch in ((1, 1), (2, 8)):
            one = {"name": target, "threads": threads, "batch": batch}
            sweep.append({**one, "p50": 4.0, "images_per_s": 250.0 * batch, "disturbed": False})
    start = {"import": 100.0, "load": 50.0, "first verdict": 250.0}
    one = {"name": "onnx", "threads": 1, "peak_mb": 180.4}
    parts = {"name": "onnx", "threads": 1, "whole_ms": 4.0, "gaze_ms": 0.5, "pixels_ms": -0.1}
    return {
        "sweep": sweep,
        "starts": [{**one, "start_ms": start, "stages_ms": STAGES}],
        "parts": [{**parts, "disturbed": False}],
    }


def test_a_bar_has_a_part_for_each_stage_in_proportion() -> None:
    svg = speed.draw_stages(make_speed()["starts"])
    assert svg is not None
    root = ElementTree.fromstring(svg)
    widths = [float(rect.attrib["width"]) for rect in root.findall("rect")]
    assert len(widths) == len(STAGES)
    # SVG keeps two decimals of a pixel.
    for width, value in zip(widths, STAGES.values(), strict=True):
        assert width / sum(widths) == pytest.approx(value / sum(STAGES.values()), abs=1e-3)


def test_tables_have_every_setting_and_the_sum_of_a_start() -> None:
    table = speed.build_sweep_table(make_speed()["sweep"])
    assert table.header == ["bundle", "1 thread,\nbatch 1", "2 threads,\nbatch 8"]
    assert [row[0] for row in table.rows] == ["onnx", "openvino"]
    (row,) = speed.build_start_table(make_speed()["starts"]).rows
    assert row == ["onnx", "100", "50", "250", "400", "180"]


def test_parts_are_what_they_add_and_their_share() -> None:
    (row,) = speed.build_part_table(make_speed()["parts"]).rows
    assert row == ["onnx", "4.00", "+0.50 (+12%)", "-0.10 (-2%)"]


def test_energy_is_that_of_the_packages_and_what_is_above_the_idle_one() -> None:
    table = speed.build_energy_table(ENERGY)
    assert table.header[-1] == "W (idle 4.0)"
    assert table.rows == [["onnx", "30.00", "20.00", "12.0"]]
    told = [
        speed.build_speed_context({**make_speed(), "energy": value}) for value in (ENERGY, None)
    ]
    titles = [[title for title, _ in one["speed"]["tables"]] for one in told]
    assert "Energy of the processor's packages" in titles[0]
    assert [speed.NO_ENERGY in one["speed"]["note"] for one in told] == [False, True]


def test_page_and_markdown_have_what_was_measured(report_data: Callable[..., ReportData]) -> None:
    data = report_data(speed=make_speed())
    assert validate_report(data.to_json()) == []
    page = render_html(data)
    assert "From a JPEG to a verdict, by stage" in page and "2000/s" in page
    assert "Fresh processes:" in render_markdown(data)
    assert "Parts of an inference" in page and "+0.50 (+12%)" in render_markdown(data)
    old = {key: rows for key, rows in make_speed().items() if key != "parts"}  # an older report's
    assert "Parts of an inference</h3>" not in render_html(report_data(speed=old))
    for nothing in (None, {"sweep": [], "starts": []}):
        assert "by stage" not in render_html(report_data(speed=nothing))
    assert "Fresh processes" not in render_markdown(report_data())


def _change_row(section: str, **change: Any) -> dict[str, Any]:
    rows = make_speed()[section]
    return {section: [{**rows[0], **change}, *rows[1:]]}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"sweep": None}, "sweep: must be a list"),
        (_change_row("sweep", p50=0.0), "sweep[0].p50: is 0.0, must be above 0"),
        (_change_row("sweep", batch=1.5), "sweep[0].batch: is 1.5, must be a whole number"),
        (_change_row("sweep", disturbed=None), "sweep[0].disturbed: must be true or false"),
        (_change_row("sweep", name=""), "sweep[0].name: must be text"),
        (_change_row("starts", start_ms={}), "starts[0].start_ms: must be an object of times"),
        (_change_row("starts", stages_ms={"decode": -1.0}), "starts[0].stages_ms.decode: is -1.0"),
        (_change_row("parts", whole_ms=-4.0), "parts[0].whole_ms: is -4.0, must be above 0"),
        (_change_row("parts", gaze_ms="fast"), "parts[0].gaze_ms: is 'fast', must be a number"),
        ({"energy": []}, "energy: must be an object"),
        ({"energy": {**ENERGY, "idle_w": -1.0}}, "energy.idle_w: is -1.0, must lie in [0, inf]"),
        ({"energy": {**ENERGY, "rows": [{"name": "onnx", "mj": 30.0}]}}, "energy.rows[0].watts"),
    ],
)
def test_faults_are_named_by_their_place(
    report_data: Callable[..., ReportData], change: dict[str, Any], fault: str
) -> None:
    sound = {**make_speed(), "energy": ENERGY}
    assert validate_report(report_data(speed=sound).to_json()) == []
    (first, *_) = validate_report({**report_data().to_json(), "speed": {**sound, **change}})
    assert first.startswith(f"speed.{fault}")
