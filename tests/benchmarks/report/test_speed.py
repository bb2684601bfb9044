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
    energy = {"idle_w": 4.0, "rows": [{"name": "onnx", "mj": 30.0, "watts": 12.0}]}
    table = speed.build_energy_table(energy)
    assert table.header[-1] == "W (idle 4.0)"
    assert table.rows == [["onnx", "30.00", "20.00", "12.0"]]
    told = [
        speed.build_speed_context({**make_speed(), "energy": value}) for value in (energy, None)
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
