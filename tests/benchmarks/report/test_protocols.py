"""P1 to P4 in the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.report import protocols
from benchmarks.report.data import ReportData
from benchmarks.report.markdown import render_markdown
from benchmarks.report.page import render_html
from benchmarks.report.schema import validate_report
from gazeclip.console.tables import MISSING


def make_figures(**changes: Any) -> dict[str, Any]:
    part = {"auc": 0.9, "auc_interval": [0.8, 0.95], "tpr": 0.5, "tpr_interval": None}
    part["inconclusive"] = 0.25
    found = {
        "title": "seen generators",
        "split": "test",
        "n_forged": 40,
        "n_real": 20,
        **part,
        "fpr": 0.0,
        "fpr_interval": [0.0, 0.17],
        "per_generator": {"swap <b>": {"n": 40, **part}},
    }
    return found | changes


def make_protocols() -> dict[str, Any]:
    subjects = [
        {"name": "one", "protocols": {"P1": make_figures(), "P2": make_figures(auc=None)}},
        {"name": "two", "protocols": {"P1": make_figures(auc=0.7)}},
    ]
    return {"subjects": subjects, "headline": "one", "coverage": None}


def test_a_row_for_each_protocol_of_each_subject() -> None:
    table = protocols.build_subject_table(make_protocols()["subjects"])
    assert [row[:2] for row in table.rows] == [["one", "P1"], ["two", "P1"], ["one", "P2"]]
    assert table.rows[0][4:] == [
        "0.900 [0.800, 0.950]",
        "0.500",
        "0.250",
        "0.000 [0.000, 0.170]",
    ]
    assert table.rows[2][4] == MISSING


def test_photographs_without_a_forged_one_keep_their_false_alarms() -> None:
    nothing = {"auc": None, "auc_interval": None, "tpr": None, "inconclusive": None}
    real_only = make_figures(n_forged=0, per_generator={}, fpr=0.1, **nothing)
    found = {"P1": make_figures(), "P3": real_only, "P4 test": real_only}
    subjects = [{"name": "one", "protocols": found}]
    rows = protocols.build_subject_table(subjects).rows
    assert [row[1] for row in rows] == ["P1", "P4 test"]
    assert rows[1][2:] == ["0", "20", MISSING, MISSING, MISSING, "0.100 [0.000, 0.170]"]
    assert protocols.describe_empty(subjects) == " No forged image here is of P3."


def test_generators_are_those_of_the_headline() -> None:
    found = make_protocols()
    assert protocols.choose_shown(found["subjects"], "one")["name"] == "one"
    assert protocols.choose_shown(found["subjects"], None)["name"] == "two"
    rows = protocols.build_generator_table(found["subjects"][0]).rows
    assert [row[:3] for row in rows] == [["swap <b>", "P1", "40"], ["swap <b>", "P2", "40"]]


def test_page_and_markdown_have_them(report_data: Callable[..., ReportData]) -> None:
    data = report_data(protocols=make_protocols())
    assert validate_report(data.to_json()) == []
    page = render_html(data)
    assert "P1 to P4 on the files that ship" in page
    assert "swap &lt;b&gt;" in page and "swap <b>" not in page
    assert "P1 to P4 on the files that ship" in render_markdown(data)
    assert "P1 to P4 on the files" not in render_markdown(report_data())
