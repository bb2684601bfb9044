"""Peers in the report: the tables, the sentence, the roofline and the contract."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from benchmarks.report import peers, roofline
from benchmarks.report.peers_schema import FIGURES, check_peers


def make_row(name: str, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "role": "peer",
        "engine": "openvino",
        "precision": "fp32",
        "image_size": 224,
        "form": "",
        "state": "measured",
        "disturbed": False,
        **dict.fromkeys(FIGURES, 4.0),
    }
    return row | changes


def make_peers(**changes: Any) -> dict[str, Any]:
    failed = dict.fromkeys(FIGURES) | {"state": "not converted: odd"}
    rows = [
        make_row("fast", precision="int8", p50_ms=1.0, intensity=8.0, gops=150.0, of_bound=0.75),
        make_row("slow", p50_ms=300.0, intensity=80.0, gops=50.0, of_bound=0.5),
        make_row("failed", **failed),
    ]
    aim = {"of": "fast", "against": "slow", "aim": 300.0, "ratio": 300.0, "met": True}
    limits = {
        "threads": 1,
        "fp32_gops": 100.0,
        "fp32_by": "PyTorch",
        "int8_gops": 200.0,
        "int8_by": "OpenVINO",
        "bandwidth_gb_s": 20.0,
    }
    found = {
        "note": "Random weights.",
        "threads": 1,
        "batch": 1,
        "rounds": 3,
        "random_weights": True,
        "limits": limits,
        "rows": rows,
        "aims": [aim],
    }
    return found | changes


def test_the_slowest_comes_first_and_failures_say_why() -> None:
    table = peers.build_peer_table(make_peers()["rows"])
    assert [row[0] for row in table.rows] == ["slow", "fast", "failed"]
    assert table.rows[2][-1] == "not converted: odd"
    assert table.rows[1][table.header.index("of the bound")] == "75%"


def test_the_sentence_has_what_was_measured() -> None:
    found = make_peers()
    assert "fast is 300.0 times as fast as slow (aim 300)" in peers.summarise_peers(found)
    unknown = {**found["aims"][0], "ratio": None, "met": None}
    assert peers.summarise_peers(make_peers(aims=[unknown])) == ""
    assert peers.summarise_peers(None) == ""
    assert "INT8 can gain 2.0x" in peers.describe_limits(found["limits"])


def test_dots_lie_where_their_figures_are() -> None:
    found = make_peers()
    svg = roofline.draw_roofline(found)
    assert svg is not None
    fast, slow = ElementTree.fromstring(svg).findall("circle")
    # Both axes are logarithmic: distances in pixels stand as the logarithms of ratios.
    across = float(slow.attrib["cx"]) - float(fast.attrib["cx"])
    up = float(slow.attrib["cy"]) - float(fast.attrib["cy"])
    (steps,) = [path for path in _list_paths(svg) if "INT8" not in path and "fp32" in path]
    start, ridge, end = steps["fp32"]
    assert end[1] == ridge[1]
    # The slope of the memory's rate is one decade up for one across.
    decades_across = math.log10(80.0 / 8.0)
    decades_up = math.log10(150.0 / 50.0)
    a_decade_across = across / decades_across
    a_decade_up = up / decades_up
    slope = (start[1] - ridge[1]) / (ridge[0] - start[0])
    assert slope == pytest.approx(a_decade_up / a_decade_across, rel=0.01)
    # fp32's ridge is at 100 / 20 = 5 operations for each byte.
    expected = float(fast.attrib["cx"]) - a_decade_across * math.log10(8.0 / 5.0)
    assert ridge[0] == pytest.approx(expected, abs=0.1)


def _list_paths(svg: str) -> list[dict[str, list[tuple[float, float]]]]:
    """Corners of every path, by the first word of its hint."""
    found = []
    for path in ElementTree.fromstring(svg).findall("path"):
        points = []
        for pair in path.attrib["d"].removeprefix("M").split("L"):
            x, y = pair.split()
            points.append((float(x), float(y)))
        hint = path.findtext("title") or ""
        found.append({hint.split(":")[0]: points})
    return found


def test_nothing_is_drawn_of_nothing() -> None:
    rows = [make_row("failed", gops=None)]
    assert roofline.draw_roofline(make_peers(rows=rows)) is None
    assert peers.build_peers_context(None) == {"peers": None}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"random_weights": False}, "random_weights"),
        ({"rows": [make_row("a", engine="odd")]}, "rows[0].engine"),
        ({"rows": [make_row("a", p50_ms=0)]}, "rows[0].p50_ms"),
        ({"rows": [make_row("a", state="")]}, "rows[0].state"),
        ({"aims": [{"aim": 2.0, "ratio": None, "met": False}]}, "aims[0].met"),
        ({"limits": {"fp32_gops": 1.0}}, "limits.int8_gops"),
    ],
)
def test_faults_are_named_by_their_place(change: dict[str, Any], fault: str) -> None:
    assert check_peers({"peers": make_peers()}) == []
    (first, *_) = check_peers({"peers": make_peers(**change)})
    assert first.startswith(f"peers.{fault}")


def test_reports_without_peers_are_whole() -> None:
    assert check_peers({}) == [] and check_peers({"peers": None}) == []
