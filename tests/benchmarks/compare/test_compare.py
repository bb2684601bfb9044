"""Two reports side by side: what is compared, what is not, and the exit code."""

from __future__ import annotations

import copy
import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.compare import differences
from benchmarks.compare.differences import compare_sources
from benchmarks.compare.reading import open_source
from benchmarks.report.data import ReportData
from benchmarks.report.score_file import IDENTITY
from benchmarks.report.write import write_report
from gazeclip.errors import ArtifactError
from gazeclip.scoring.metrics import roc_auc

Maker = Callable[..., ReportData]
Change = Callable[[dict[str, Any], dict[str, Any]], None]
LABELS = ["real"] * 40 + ["swap_gan"] * 40
SEEN = "OpenVINO int8"


def make_scores(subjects: list[dict[str, Any]]) -> dict[str, Any]:
    """Scores of every subject on two splits of 80 images."""
    rng = np.random.default_rng(0)
    fake = np.array([label != "real" for label in LABELS])
    shared = rng.normal(0, 1, len(LABELS)) + 2.0 * fake
    found = []
    for entry in subjects:
        rank = (shared + rng.normal(0, 0.3, len(LABELS))).round(4)
        answers = "".join("f" if score > 1 else "r" for score in rank)
        one = {"rank": rank.tolist(), "answers": answers, "correct": "1" * len(LABELS)}
        identity = {key: entry[key] for key in IDENTITY}
        splits = {split: copy.deepcopy(one) for split in ("test", "test_unseen")}
        found.append({"name": entry["name"], **identity, "splits": splits})
    images = [f"{number:032x}" for number in range(len(LABELS))]
    table = {"images": images, "labels": LABELS, "persons": None}
    splits = {split: copy.deepcopy(table) for split in ("test", "test_unseen")}
    return {"schema": 1, "splits": splits, "subjects": found}


@pytest.fixture(autouse=True)
def few_resamplings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals are tested here for what they belong to; resampling has tests of its own."""
    monkeypatch.setattr(differences, "ROUNDS", 100)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, report_data: Maker) -> Path:
    """A report with its scores."""
    folder = tmp_path_factory.mktemp("written") / "report"
    with pytest.MonkeyPatch.context() as monkeypatch:
        name_targets(monkeypatch, report_data)
        data = report_data()
        data = report_data(scores=make_scores([dict(entry) for entry in data.subjects]))
        write_report(folder, data)
    return folder


@pytest.fixture(name="pair")
def make_pair(tmp_path: Path, written: Path) -> Callable[..., list[str]]:
    """Two reports in two folders; the second one changed. Their names, as on a command line."""

    def make(change: Change | None = None) -> list[str]:
        for name in ("a", "b"):
            shutil.copytree(written, tmp_path / name)
        if change is not None:
            report = json.loads((tmp_path / "b/report.json").read_text())
            scores = json.loads((tmp_path / "b/scores.json").read_text())
            change(report, scores)
            (tmp_path / "b/report.json").write_text(json.dumps(report))
            if scores:
                (tmp_path / "b/scores.json").write_text(json.dumps(scores))
            else:
                (tmp_path / "b/scores.json").unlink()
        return [str(tmp_path / "a"), str(tmp_path / "b")]

    return make


def compare(names: list[str], *options: str) -> int:
    return main(["compare", *names, *options])


def find_bundle(report: dict[str, Any]) -> dict[str, Any]:
    """The OpenVINO bundle of a report."""
    (found,) = (entry for entry in report["subjects"] if entry["framework"] == "openvino")
    return dict(found)


def slow_down(report: dict[str, Any], _: dict[str, Any]) -> None:
    for entry in report["subjects"]:
        for key in ("p50", "p90", "p95"):
            if entry["latency_ms"][key] is not None:
                entry["latency_ms"][key] *= 1.5


def name_targets(monkeypatch: pytest.MonkeyPatch, report_data: Maker) -> None:
    """The hand-made report calls its bundles PyTorch's; here they are what they would be."""
    names = report_data.__globals__  # type: ignore[attr-defined]
    describe = names["describe_subject"]

    def describe_exported(subject: Any, *parts: Any) -> dict[str, Any]:
        targets = {"openvino": "openvino", "coreml-reference": "coreml"}
        found: dict[str, Any] = describe(subject, *parts)
        found["framework"] = targets.get(found["engine"], "torch")
        return found

    monkeypatch.setitem(names, "describe_subject", describe_exported)


def test_a_report_equals_itself(
    pair: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(pair(), "--fail-if", "latency>1.1x or auc<-0.5pt or tpr<-2pt") == 0
    text = capsys.readouterr().out
    assert "comparison: passes" in text
    assert "+0.0 pt [+0.0, +0.0], p = 1" in text
    assert f"{SEEN}: 0 of 160 images answered otherwise" in text


def test_a_slower_bundle_fails(
    pair: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(pair(slow_down), "--fail-if", "latency>1.1x") == 1
    text = capsys.readouterr().out
    assert "comparison: fails" in text and "1.50x" in text


def test_without_conditions_nothing_fails(pair: Callable[..., list[str]]) -> None:
    assert compare(pair(slow_down)) == 0


def move_to_another_machine(report: dict[str, Any], scores: dict[str, Any]) -> None:
    slow_down(report, scores)
    report["machine"]["cpu"] = "Another CPU"


def test_another_machine_decides_nothing_about_latency(
    pair: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    names = pair(move_to_another_machine)
    assert compare(names, "--fail-if", "latency>1.1x") == 3
    text = capsys.readouterr().out
    assert "cpu Some CPU and Another CPU" in text and "1.50x" not in text
    assert compare(names, "--fail-if", "auc<-0.5pt") == 0  # which does not depend on it


def test_a_failure_weighs_more_than_what_is_unknown(pair: Callable[..., list[str]]) -> None:
    def change(report: dict[str, Any], scores: dict[str, Any]) -> None:
        move_to_another_machine(report, scores)
        find_bundle(report)["accuracy"]["test"]["auc"] = 0.2

    assert compare(pair(change), "--fail-if", "latency>1.1x or auc<-0.5pt") == 1


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("disturbed", True, "other work disturbed the measurement of the second"),
        ("threads", 8, "measured with threads 2 and 8"),
        ("batch", 4, "measured with batch 1 and 4"),
        ("p50", None, "the second report does not have it"),
    ],
)
def test_a_latency_of_other_settings_decides_nothing(
    pair: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
    key: str,
    value: Any,
    reason: str,
) -> None:
    def change(report: dict[str, Any], _: dict[str, Any]) -> None:
        latency = find_bundle(report)["latency_ms"]
        latency[key] = value
        if value is None:
            latency.update(p90=None, p95=None)

    assert compare(pair(change), "--fail-if", "latency>1.1x") == 3
    assert reason in capsys.readouterr().out


def test_other_images_decide_nothing_about_accuracy(
    pair: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    def change(_: dict[str, Any], scores: dict[str, Any]) -> None:
        scores["splits"]["test"]["images"][0] = "f" * 32

    names = pair(change)
    assert compare(names, "--fail-if", "auc<-0.5pt") == 3
    assert "the images of test differ" in capsys.readouterr().out
    assert compare(names, "--fail-if", "auc_unseen<-0.5pt or latency>1.1x") == 0


@pytest.mark.parametrize(
    ("stages", "code", "text"),
    [
        ({"data": "same"}, 0, "+0.0 pt"),
        ({"data": "other"}, 3, "the data of test differ"),
        ({}, 3, "nothing shows that the images of test are the same"),
    ],
)
def test_reports_without_scores_are_matched_by_their_data(
    report_data: Maker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stages: dict[str, str],
    code: int,
    text: str,
) -> None:
    name_targets(monkeypatch, report_data)
    names = []
    for name, given in (("a", {"data": "same"}), ("b", stages)):
        write_report(tmp_path / name, report_data(provenance={"stages": given}))
        names.append(str(tmp_path / name / "report.json"))
    assert compare(names, "--fail-if", "auc<-0.5pt") == code
    out = capsys.readouterr().out
    assert text in out and "p =" not in out


def test_a_bundle_that_is_gone_is_no_success(
    pair: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    def change(report: dict[str, Any], _: dict[str, Any]) -> None:
        report["subjects"] = [
            entry for entry in report["subjects"] if entry["framework"] != "coreml"
        ]

    assert compare(pair(change), "--fail-if", "auc<-0.5pt") == 3
    assert "is not in the second report" in capsys.readouterr().out


def test_what_no_report_has_cannot_be_decided(
    pair: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = pair()
    for name in names:
        path = Path(name) / "report.json"
        report = json.loads(path.read_text())
        for entry in report["subjects"]:
            entry["latency_ms"].update(p50=None, p90=None, p95=None)
        path.write_text(json.dumps(report))
    assert compare(names, "--fail-if", "latency>1.1x") == 3
    assert "neither report has the figure" in capsys.readouterr().out


def test_intervals_and_flips_come_from_the_scores(pair: Callable[..., list[str]]) -> None:
    def change(report: dict[str, Any], scores: dict[str, Any]) -> None:
        found = next(one for one in scores["subjects"] if one["framework"] == "openvino")
        one = found["splits"]["test"]
        one["answers"] = "r" * 50 + one["answers"][50:]
        one["rank"] = [-score for score in one["rank"]]
        accuracy = find_bundle(report)["accuracy"]["test"]
        fake = np.array([label != "real" for label in LABELS])
        accuracy["auc"] = roc_auc(fake, np.array(one["rank"]))

    names = pair(change)
    a, b = (open_source(Path(name)) for name in names)
    (found,) = (one for one in compare_sources(a, b).pairs if one.label == SEEN)
    answers = [
        next(one for one in source.scores["subjects"] if one["framework"] == "openvino")["splits"][
            "test"
        ]["answers"]
        for source in (a, b)
        if source.scores is not None
    ]
    assert found.flipped == sum(x != y for x, y in zip(*answers, strict=True)) > 0
    assert found.images == 160
    auc = found.differences["auc"]
    assert auc.p is not None and auc.p < 1e-6 and auc.interval is not None
    assert auc.interval[1] < 0.0
    tpr = found.differences["tpr"].interval
    lost = sum(x == "f" != y for x, y in zip(answers[0][40:], answers[1][40:], strict=True)) / 40
    assert tpr is not None and tpr[0] < -lost < tpr[1]
    assert found.differences["tpr_unseen"].interval == (0.0, 0.0)


def test_markdown_and_badge_say_the_same(
    pair: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "out.md"
    badge = tmp_path / "out.svg"
    options = ["--markdown", str(page), "--badge", str(badge)]
    assert compare(pair(slow_down), "--fail-if", "latency>1.1x or auc<-0.5pt", *options) == 1
    text = page.read_text()
    assert text.startswith("### Benchmark fails\n")
    assert f"| latency>1.1x | {SEEN} | fails | 1.50x |" in text
    assert f"| auc<-0.5pt | {SEEN} | passes |" in text
    assert "<b>" not in text  # of the baseline's name
    root = ElementTree.fromstring(badge.read_text())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.attrib["aria-label"] == "benchmark: fails"
    assert [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")] == [
        "benchmark",
        "fails",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "holds no report"),
        ("{", "is not valid JSON"),
        ('{"schema": 2}', "is no report of this version"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    with pytest.raises(ArtifactError, match=message):
        open_source(tmp_path)


def test_a_run_folder_is_a_report(pair: Callable[..., list[str]], tmp_path: Path) -> None:
    name = Path(pair()[0])
    run = tmp_path / "run"
    run.mkdir()
    name.rename(run / "report")
    assert open_source(run).path == run / "report" / "report.json"
    assert open_source(run).scores is not None


def test_bundles_of_one_kind_are_compared_by_their_names(
    tmp_path: Path, report_data: Maker
) -> None:
    kind = report_data().subjects[-1]
    for folder, speeds in (("a", {"demo": 1.0, "lite0": 4.0}), ("b", {"lite0": 5.0, "demo": 2.0})):
        subjects = []
        for name, p50 in speeds.items():
            subjects.append(
                {**kind, "name": name, "latency_ms": {**kind["latency_ms"], "p50": p50}}
            )
        write_report(tmp_path / folder, report_data(subjects=subjects))
    found = compare_sources(open_source(tmp_path / "a"), open_source(tmp_path / "b"))
    latencies = []
    for pair in found.pairs:
        latency = pair.differences["latency"]
        latencies.append((pair.label.split()[-1], latency.a, latency.b))
    assert latencies == [("(demo)", 1.0, 2.0), ("(lite0)", 4.0, 5.0)]
    assert not found.only_a and not found.only_b
