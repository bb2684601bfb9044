"""A gaze head that is worth nothing is told and never drawn; one that is worth something is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.measure.gaze import NO_GAZE, compare_gaze, explain_missing
from benchmarks.measure.judge import Judged
from benchmarks.measure.subject import Subject
from benchmarks.report.compose import build_gaze
from benchmarks.report.data import ReportData
from benchmarks.report.gaze import (
    build_gaze_tables,
    explain_undrawn,
    list_gaze_caveats,
    list_gaze_warnings,
    may_draw,
)
from benchmarks.report.markdown import render_markdown
from benchmarks.report.page import page_context, render_html
from benchmarks.report.schema import validate_report
from gazeclip.console.tables import MISSING
from gazeclip.scoring.outputs import SplitOutputs

Maker = Callable[..., ReportData]
HEADLINE = 3  # the place of the report's headline among its subjects


def compare(follows: float, noise: float = 0.02, n: int = 60) -> dict[str, Any]:
    """Figures of a head that follows the reference so far, and adds this much noise (radians)."""
    rng = np.random.default_rng(0)
    reference = rng.normal(0, 0.2, (n, 2))
    return compare_gaze(follows * reference + rng.normal(0, noise, (n, 2)), reference, bootstrap=50)


GOOD = compare(0.9)
DEAD = compare(0.0)


def with_gaze(data: ReportData, splits: dict[str, Any]) -> ReportData:
    """The same report with other gaze figures of its headline."""
    entry = data.subjects[HEADLINE]
    for split, found in splits.items():
        entry["gaze"][split] |= found
    return data


def test_a_constant_head_is_told_and_not_drawn(report_data: Maker) -> None:
    data = with_gaze(report_data(), {"test": {"teacher": DEAD}})
    error = DEAD["error_deg"]
    constant = DEAD["constant_error_deg"]
    figures = f"(error {error:.1f} deg, constant {constant:.1f} deg; test, against the teacher's"
    assert list_gaze_warnings(data.subjects) == [
        f"warning: the gaze of student is no better than a constant {figures} gaze)"
    ]
    sentence = "Where the faces of test look is not drawn: the gaze of student is no better than a"
    (undrawn,) = explain_undrawn(data.subjects[HEADLINE])
    assert undrawn.startswith(sentence)
    # The report holds a histogram of it, and still none is shown.
    assert data.gaze and page_context(data)["gaze"] == []
    page = render_html(data)
    assert "Where the faces look" not in page
    assert sentence in page
    assert page.count("<svg") == 7  # nine with a gaze that may be drawn
    markdown = render_markdown(data)
    assert undrawn in markdown
    summary = markdown.splitlines()[2]
    assert summary.endswith("Its gaze is no better than a constant.")
    (caveat,) = list_gaze_caveats(data.subjects)
    assert "better than a constant: student (test). " in caveat and "not drawn" in caveat


def test_a_good_head_is_drawn_and_nothing_is_warned_of(report_data: Maker) -> None:
    data = with_gaze(report_data(), {"test": {"teacher": GOOD, "labels": GOOD}})
    assert [(split, axis) for split, axis, _ in page_context(data)["gaze"]] == [
        ("test", "yaw"),
        ("test", "pitch"),
    ]
    assert list_gaze_warnings(data.subjects) == []
    assert list_gaze_caveats(data.subjects) == []
    assert explain_undrawn(data.subjects[HEADLINE]) == []
    assert "constant." not in render_markdown(data).splitlines()[2]
    assert validate_report(data.to_json()) == []


@pytest.mark.parametrize(
    ("splits", "drawn"),
    [
        ({"test": {"teacher": GOOD}, "test_unseen": {"teacher": DEAD}}, {"test"}),
        ({"test": {"teacher": GOOD, "labels": DEAD}, "test_unseen": {"labels": GOOD}}, {"unseen"}),
        ({"test": {"teacher": explain_missing("the teacher gives no gaze")}}, set()),
    ],
)
def test_each_split_is_drawn_only_if_it_beats_every_reference(
    report_data: Maker, splits: dict[str, Any], drawn: set[str]
) -> None:
    entry = with_gaze(report_data(), splits).subjects[HEADLINE]
    found = {split for split in ("test", "test_unseen") if may_draw(entry, split)}
    assert {split.removeprefix("test_") for split in found} == drawn
    assert len(explain_undrawn(entry)) == len(splits) - len(drawn)


def test_too_little_evidence_is_told_as_such(report_data: Maker) -> None:
    undecided = {**GOOD, "gain_deg_interval": [-0.1, 5.0], "beats_constant": False}
    data = with_gaze(report_data(), {"test": {"teacher": undecided}})
    (warning,) = list_gaze_warnings(data.subjects)
    assert "the gaze of student is not shown to be better than a constant" in warning
    assert page_context(data)["gaze"] == []


def test_a_gaze_without_any_reference_is_not_drawn_and_no_gaze_is_no_fault(
    report_data: Maker,
) -> None:
    nothing = explain_missing("the teacher gives no gaze")
    data = with_gaze(report_data(), {"test": {"teacher": nothing, "labels": nothing}})
    (sentence,) = explain_undrawn(data.subjects[HEADLINE])
    assert sentence.endswith("there is nothing to compare the gaze of student with.")
    assert build_gaze_tables(data.subjects) == []
    assert sentence in render_markdown(data) and sentence in render_html(data)
    none = explain_missing(NO_GAZE)
    without = with_gaze(report_data(), {"test": {"teacher": none, "labels": none}})
    assert explain_undrawn(without.subjects[HEADLINE]) == []
    assert "## Gaze" not in render_markdown(without)
    assert "<h2>Gaze</h2>" not in render_html(without)


def test_the_table_has_every_subject_and_dashes_where_nothing_was_compared(
    report_data: Maker,
) -> None:
    data = with_gaze(report_data(), {"test": {"teacher": GOOD, "labels": DEAD}})
    against_teacher, against_labels = build_gaze_tables(data.subjects)
    assert against_teacher.title == "Against the teacher's gaze"
    assert [split for _, split, _ in against_teacher.rows] == ["test"] * len(data.subjects)
    for place, (_, _, cells) in enumerate(against_teacher.rows):
        if place != HEADLINE:
            assert {cell.text for cell in cells} == {MISSING}
    low, high = GOOD["gain_deg_interval"]
    cells = against_teacher.rows[HEADLINE][2]
    keys = ("error_deg", "constant_error_deg", "gain_deg", "pearson_pitch", "pearson_yaw")
    assert [cell.text for cell in cells] == [f"{GOOD[key]:.2f}" for key in keys]
    assert cells[2].note == f"{low:.2f} to {high:.2f}"
    assert against_labels.rows[HEADLINE][2][0].text == f"{DEAD['error_deg']:.2f}"
    markdown = render_markdown(data)
    assert f"| {GOOD['gain_deg']:.2f} ({low:.2f} to {high:.2f}) |" in markdown


def test_histograms_of_a_dead_head_are_not_even_made() -> None:
    gaze = np.random.default_rng(0).normal(0, 0.2, (4, 2))
    labels = ("real", "swap", "real", "swap")
    outputs = {
        split: SplitOutputs(np.zeros(4), np.zeros((4, 2)), labels, gaze)
        for split in ("test", "test_unseen")
    }
    subject = Subject("s", "student", "torch", "fp32", 1.0, lambda images: {}, 32)
    missing = explain_missing("the manifest has no gaze labels of this split")
    entry = {
        "gaze": {
            "test": {"teacher": GOOD, "labels": missing},
            "test_unseen": {"teacher": DEAD, "labels": missing},
        }
    }
    assert set(build_gaze(Judged(subject, outputs, None), entry)) == {"test"}
