"""What subjects are called and painted."""

from __future__ import annotations

from typing import Any

from benchmarks.report.plots import choose_colours, short_label


def make_entry(name: str, engine: str, precision: str = "int8", role: str = "student") -> Any:
    return {"name": name, "engine": engine, "precision": precision, "role": role}


TEACHER = make_entry("teacher", "torch", "fp32", "teacher")
FIRST = make_entry("demo", "onnxruntime")
SECOND = make_entry("lite0", "onnxruntime")
OTHER = make_entry("demo", "openvino")


def test_a_name_stands_only_where_two_are_of_a_kind() -> None:
    assert short_label(FIRST) == short_label(FIRST, [FIRST, OTHER]) == "ONNX int8"
    both = [FIRST, OTHER, SECOND]
    found = [short_label(entry, both) for entry in both]
    assert found == ["ONNX int8 (demo)", "OpenVINO int8", "ONNX int8 (lite0)"]


def test_two_of_a_kind_have_colours_of_their_own() -> None:
    entries = [TEACHER, FIRST, SECOND, OTHER]
    colours = choose_colours(entries)
    assert len(set(colours)) == len(entries)
    assert colours[0] == "var(--ink)"
    # all others keep theirs, and those of an engine share one
    assert [colours[1], colours[3]] == choose_colours([FIRST, OTHER])
    twin = make_entry("demo", "onnxruntime", "fp32")
    assert len(set(choose_colours([FIRST, twin]))) == 1


def test_where_colours_run_out_the_engines_counts() -> None:
    many = [make_entry(str(number), "onnxruntime") for number in range(20)]
    colours = choose_colours(many)
    assert colours[0] == colours[-1]
    assert len(set(colours[:6])) == 6
