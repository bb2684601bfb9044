"""The three files: complete, valid, self-contained, and honest about what was not measured."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from benchmarks.measure.subject import Subject
from benchmarks.report import plots, scatter, tables
from benchmarks.report.console import console_table
from benchmarks.report.data import ReportData, describe_subject, encode_thumbnail, find_headline
from benchmarks.report.markdown import render_markdown
from benchmarks.report.page import render_html
from benchmarks.report.schema import validate_report
from benchmarks.report.summary import summarise_headline
from benchmarks.report.write import write_report
from gazeclip.errors import StageError

Maker = Callable[..., ReportData]
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Collects what a browser would load, and checks that tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.stack: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [
            value or ""
            for key, value in attrs
            if key in ("src", "href", "srcset", "data", "action", "poster", "xlink:href")
        ]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_writes_three_files_and_a_valid_report(tmp_path: Path, report_data: Maker) -> None:
    write_report(tmp_path / "report", report_data())
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
    ]
    written = json.loads((tmp_path / "report/report.json").read_text())
    assert validate_report(written) == []
    assert written["headline"] == "student openvino int8"
    assert [subject["latency_ms"]["p50"] for subject in written["subjects"]] == [
        40.0,
        12.0,
        13.0,
        0.8,
        None,
    ]
    assert "data:image" not in json.dumps(written)


def test_a_faulty_report_is_refused_before_anything_is_written(
    tmp_path: Path, report_data: Maker
) -> None:
    data = report_data()
    data.subjects[0]["accuracy"]["test"]["auc"] = float("nan")
    data.subjects[1]["size_mb"] = 0
    with pytest.raises(
        StageError, match=r"subjects\[0\].accuracy.test.auc: is nan.*subjects\[1\].size_mb: is 0"
    ):
        write_report(tmp_path / "report", data)
    assert not (tmp_path / "report").exists()


def test_numpy_figures_become_plain_ones() -> None:
    subject = Subject("s", "student", "torch", "fp32", np.float32(2.5), lambda images: {}, 224)  # type: ignore[arg-type]
    entry = describe_subject(
        subject,
        accuracy={
            "test": {"auc": np.float64(0.5), "n": np.int64(3), "auc_interval": np.array([0.1, 0.2])}
        },
    )
    assert json.loads(json.dumps(entry))["accuracy"]["test"]["auc_interval"] == [0.1, 0.2]
    assert entry["accuracy"]["test"]["ece"] is None
    assert set(entry["accuracy"]) == {"test", "test_unseen"}
    assert entry["latency_ms"] == dict.fromkeys(("p50", "p90", "p95", "p99", "threads", "batch"))


def test_the_page_loads_nothing_from_elsewhere(report_data: Maker) -> None:
    html = render_html(report_data())
    page = Page(html)
    assert page.stack == []
    assert page.loaded and all(address.startswith("data:") for address in page.loaded)
    assert not {"script", "iframe", "object", "embed", "base"} & set(page.tags)
    assert not re.search(r"@import|url\(|https?://|//[a-z]", html)


def test_text_from_outside_is_escaped(report_data: Maker) -> None:
    html = render_html(report_data())
    assert "<script>" not in html and "baseline <b>&" not in html
    assert "baseline &lt;b&gt;&amp;" in html
    assert "alert(1)" in Page(html).text


def test_the_page_shows_every_section_and_follows_the_colour_scheme(report_data: Maker) -> None:
    page = Page(render_html(report_data()))
    for title in (
        "Results",
        "Accuracy against latency",
        "Detection",
        "Generator by generator",
        "Gaze",
        "Where the faces look",
        "Verdicts",
    ):
        assert title in page.text
    assert "prefers-color-scheme: dark" in page.text and "max-width: 760px" in page.text
    # scatter 2, ROC 2, per generator 1, confusion 2, gaze 2
    assert page.tags.count("svg") == 9


def test_nothing_measured_is_a_dash_and_no_plot(report_data: Maker) -> None:
    subject = Subject("lonely", "student", "litert", "int8", None, lambda images: {}, 224)
    data = ReportData(run="r", machine={}, subjects=[describe_subject(subject)])
    page = Page(render_html(data))
    assert "svg" not in page.tags
    cells = tables.build_rows(data.subjects)[0]
    assert {cells[column.key].text for column in tables.COLUMNS} == {tables.MISSING}
    assert "An int8 student was exported." in page.text
    assert not re.search(r"\b(nan|None|null)\b", page.text)
    assert validate_report(data.to_json()) == []


def test_a_report_without_subjects_is_still_a_page(tmp_path: Path) -> None:
    write_report(tmp_path, ReportData(run="r", machine={"cpu": None}, subjects=[]))
    assert "Nothing was measured." in (tmp_path / "report.html").read_text()


def test_every_plot_is_well_formed_and_inside_its_canvas(report_data: Maker) -> None:
    subjects = report_data().subjects
    drawn = [
        scatter.accuracy_against_latency(subjects, "test"),
        plots.roc_curves(subjects, "test"),
        plots.per_generator(subjects[3], subjects[0]),
    ]
    drawn += [
        plots.confusion_matrix(subjects[3]["curves"]["test"]["confusion"]),
        plots.gaze_histogram(report_data().gaze["test"], "yaw"),
    ]
    for svg in drawn:
        assert svg is not None
        root = ElementTree.fromstring(svg)
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        for circle in root.iter("circle"):
            assert (
                0 <= float(circle.attrib["cx"]) <= width
                and 0 <= float(circle.attrib["cy"]) <= height
            )
        for rect in root.iter("rect"):
            assert float(rect.attrib["x"]) + float(rect.attrib["width"]) <= width + 1
        assert "nan" not in svg


def test_scatter_puts_faster_left_and_better_above(report_data: Maker) -> None:
    svg = scatter.accuracy_against_latency(report_data().subjects, "test")
    assert svg is not None
    circles = {
        c[0].text.split(":")[0]: c for c in ElementTree.fromstring(svg).iter("circle") if c[0].text
    }
    x = {name: float(c.attrib["cx"]) for name, c in circles.items()}
    y = {name: float(c.attrib["cy"]) for name, c in circles.items()}
    assert x["OpenVINO int8"] < x["baseline <b>&"] < x["teacher"]
    assert y["teacher"] < y["baseline <b>&"]
    assert "Core ML fp16" not in x  # not timed, so it has no place here


@pytest.mark.parametrize(
    ("p50", "threads", "expected"),
    [(4.0, 2, "10×"), (12.5, 2, "3.2×"), (80.0, 2, "0.5×"), (4.0, 1, tables.MISSING)],  # noqa: RUF001
)
def test_speed_up_compares_like_with_like(
    report_data: Maker, p50: float, threads: int, expected: str
) -> None:
    subjects = list(report_data().subjects)
    subjects[3]["latency_ms"] |= {"p50": p50, "threads": threads}
    assert tables.build_rows(subjects)[3]["speed"].text == expected


def test_best_student_of_each_column_is_marked_and_nobody_else(report_data: Maker) -> None:
    rows = tables.build_rows(report_data().subjects)
    assert [row["latency"].best for row in rows] == [False, False, False, True, False]
    assert [row["size"].best for row in rows] == [False, False, False, True, False]


def test_a_disturbed_latency_carries_its_mark_everywhere(report_data: Maker) -> None:
    data = report_data()
    data.subjects[3]["latency_ms"]["disturbed"] = True
    assert tables.build_rows(data.subjects)[3]["latency"].text == "0.80 *"
    assert "other work disturbed" in render_html(
        data
    ) and "other work disturbed" in render_markdown(data)


@pytest.mark.parametrize(
    ("size", "start"),
    [
        (2.6, "A 2.60 MB"),
        (8.2, "An 8.20 MB"),
        (11.3, "An 11.3 MB"),
        (18.0, "An 18.0 MB"),
        (80.4, "An 80.4 MB"),
        (1.1, "A 1.10"),
        (118, "A 118 MB"),
    ],
)
def test_the_sentence_on_top(report_data: Maker, size: float, start: str) -> None:
    subjects = report_data().subjects
    subjects[3]["size_mb"] = size
    text = summarise_headline(subjects, subjects[3])
    assert text.startswith(start)
    assert "runs 50× faster than its teacher" in text  # noqa: RUF001
    subjects[3]["latency_ms"]["p50"] = 80.0
    assert "is 2.0× slower than its teacher" in summarise_headline(subjects, subjects[3])  # noqa: RUF001


def test_headline_by_name_or_by_identity(report_data: Maker) -> None:
    subjects = report_data().subjects
    assert find_headline(subjects) is subjects[3]
    assert find_headline(subjects, "teacher ViT-B-16") is subjects[0]
    assert find_headline(subjects, "student torch fp32") is subjects[2]
    with pytest.raises(StageError, match="'other' is no subject"):
        find_headline(subjects, "other")


def test_markdown_has_one_row_per_subject(report_data: Maker) -> None:
    text = render_markdown(report_data())
    tables = [part for part in text.split("\n\n") if part.startswith("|")]
    # The results, then the answers on each split: the same subjects in each.
    for table in tables[:3]:
        rows = table.splitlines()
        assert len(rows) == 2 + 5
        assert len({line.count(" | ") for line in rows[:1] + rows[2:]}) == 1
    assert tables[1].startswith("| subject | Cllr | false alarms | all forged | swap_poisson |")
    assert tables[2].startswith("| subject | Cllr | false alarms | all forged | swap_alpha |")
    assert "1 of 48 on test." in text


@pytest.mark.parametrize("with_rich", [True, False])
def test_console_table(
    report_data: Maker, monkeypatch: pytest.MonkeyPatch, with_rich: bool
) -> None:
    if not with_rich:
        monkeypatch.setitem(__import__("sys").modules, "rich.table", None)
    out = io.StringIO()
    console_table(report_data().to_json(), file=out)
    text = out.getvalue()
    for expected in (
        "teacher ViT-B-16",
        "FPR",
        "50×",  # noqa: RUF001
        "0.990",
        "batch 1, 2 threads",
        "student (OpenVINO",
    ):
        assert expected in text


@pytest.mark.parametrize("width", [80, 100, 200])
def test_console_table_fits_the_terminal_and_cuts_no_figure(
    report_data: Maker, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    console_table(report_data().to_json(), file=out)
    text = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "0.80" in text and "0.950" in text and "baseline <b>&" in text
    assert ("FPR" in text.partition("baseline")[0]) == (width == 200)


def test_thumbnail_is_a_small_jpeg_of_the_same_shape() -> None:
    kind, _, payload = encode_thumbnail(np.full((400, 200, 3), 90, np.uint8), side=100).partition(
        ","
    )
    picture: Any = Image.open(io.BytesIO(base64.b64decode(payload)))
    assert kind == "data:image/jpeg;base64"
    assert picture.size == (50, 100)


def test_a_set_without_unseen_generators(
    report_data: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`test_unseen` may be absent: its cells say so, and everything is still made."""
    names = report_data.__globals__  # type: ignore[attr-defined]
    monkeypatch.setitem(names, "LEVELS", {"test": "class"})
    write_report(tmp_path, report_data())
    written = json.loads((tmp_path / "report.json").read_text())
    assert validate_report(written) == []
    for subject in written["subjects"]:
        assert set(subject["accuracy"]["test_unseen"].values()) == {None}
        assert subject["accuracy"]["test"]["auc"] is not None
    assert "never seen in training" not in (tmp_path / "report.html").read_text()
    out = io.StringIO()
    console_table(written, out)
    assert "student" in out.getvalue()


def test_answers_are_in_the_summary_and_in_a_table_per_split(report_data: Maker) -> None:
    data = report_data()
    text = render_markdown(data)
    (shown,) = (s for s in data.subjects if s["engine"] == "openvino")
    shipped = shown["accuracy"]["test"]["shipped"]
    assert f"calls {shipped['tpr']:.0%} of them fake" in text.splitlines()[2]
    assert f"with {shipped['fpr']:.1%} false alarms" in text.splitlines()[2]
    page = render_html(data)
    assert page.count("At the threshold that ships: test") == 2  # test, test_unseen
    row = next(
        line
        for part in text.split("\n\n")
        if part.startswith("| subject | Cllr")
        for line in part.splitlines()
        if line.startswith("| OpenVINO int8")
    )
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    figures = shown["accuracy"]["test"]
    assert cells[1] == f"{figures['cllr']:.3f} (min {figures['min_cllr']:.3f})"
    assert cells[2].startswith(f"{shipped['false_alarms']} of {shipped['n_real']} (")
    for cell, name in zip(cells[4:], shipped["per_generator"], strict=True):
        own = shipped["per_generator"][name]
        assert cell == f"{own['tpr']:.3f} ({own['inconclusive']:.0%} unsure)"
