"""`gazeclip bundle check`: engines and the reference evaluator against golden outputs."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from export import golden_check
from export.__main__ import main
from export.golden_check import GOLDEN, check_bundle
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.contents import BundleContents, Golden
from gazeclip.bundle.layout import OUTPUTS
from gazeclip.bundle.write import write_bundle
from gazeclip.cli.guard import describe_error
from gazeclip.cli.verbs import run_verb
from gazeclip.errors import BundleError, ConfigError, MissingDependencyError
from tests.core_ml import play_core_ml, write_core_ml_bundle

Capture = pytest.CaptureFixture[str]
Reference = Callable[[np.ndarray], dict[str, np.ndarray]]


def play_evaluator(monkeypatch: pytest.MonkeyPatch, answer: Reference) -> list[Path]:
    """A reference evaluator that answers by a formula; returns the packages it was given."""
    seen: list[Path] = []

    def evaluate(package: Path, images: np.ndarray, others: Any) -> dict[str, np.ndarray]:
        seen.append(package)
        return answer(images)

    module = SimpleNamespace(evaluate=evaluate)
    monkeypatch.setitem(sys.modules, "export.reference.evaluator", module)  # type: ignore[arg-type]
    return seen


def shift(answer: Reference, output: str, amount: float) -> Reference:
    """The same but for one output."""

    def shifted(images: np.ndarray) -> dict[str, np.ndarray]:
        found = answer(images)
        return {**found, output: found[output] + amount}

    return shifted


@pytest.mark.parametrize(
    ("target", "label"), [("onnx", "onnxruntime"), ("openvino", "openvino"), ("tflite", "litert")]
)
def test_each_target_in_its_engine(
    bundles: dict[str, Path], reference: Reference, target: str, label: str
) -> None:
    check = check_bundle(bundles[target])
    assert [item.output for item in check.comparisons] == list(OUTPUTS)
    assert all(item.within and item.against == GOLDEN for item in check.comparisons)
    assert {item.by.split()[0] for item in check.comparisons} == {label}
    assert check.remarks == () and check.list_missed() == []


def test_differences_are_the_largest_ones(
    contents: BundleContents, bundles: dict[str, Path], tmp_path: Path
) -> None:
    """Golden outputs of which one element was moved by more than its bound, another by less."""
    outputs = {name: value.copy() for name, value in contents.golden.outputs.items()}
    outputs["gaze"][3, 1] -= 0.25
    outputs["logits"][7, 2] += 5e-5
    folder = tmp_path / "b"
    shutil.copytree(bundles["onnx"], folder)
    golden = Golden(contents.golden.images, outputs, contents.golden.tolerance)
    write_bundle(folder, replace(contents, golden=golden))
    found = {item.output: item for item in check_bundle(folder).comparisons}
    assert found["gaze"].difference == pytest.approx(0.25, abs=1e-5) and not found["gaze"].within
    assert found["logits"].difference == pytest.approx(5e-5, abs=3e-5) and found["logits"].within
    assert found["gaze"].bound == contents.golden.tolerance["gaze"]


def test_the_command_prints_a_table_and_ends_with_2_where_a_bound_is_missed(
    contents: BundleContents, bundles: dict[str, Path], tmp_path: Path, capsys: Capture
) -> None:
    whole = str(bundles["onnx"])
    assert run_verb("bundle", ["check", whole], "gazeclip bundle") == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if GOLDEN in line]
    assert [row[-4] for row in rows] == list(OUTPUTS) and {row[-1] for row in rows} == {"ok"}
    outputs = {**contents.golden.outputs, "gaze": contents.golden.outputs["gaze"] + 1}
    folder = tmp_path / "b"
    shutil.copytree(whole, folder)
    golden = Golden(contents.golden.images, outputs, contents.golden.tolerance)
    write_bundle(folder, replace(contents, golden=golden))
    with pytest.raises(BundleError, match="off the golden outputs by 1 ") as caught:
        main(["check", str(folder), whole])
    line, code = describe_error(caught.value)
    assert line.startswith(f"{folder}: gaze of onnxruntime")
    assert code == 2 and "\n" not in line
    states = [line.split()[-1] for line in capsys.readouterr().out.splitlines() if GOLDEN in line]
    assert states == ["ok", "ok", "ok", "missed"] + ["ok"] * 4  # the other bundle was checked, too


def test_as_json(bundles: dict[str, Path], capsys: Capture) -> None:
    assert main(["check", str(bundles["onnx"]), str(bundles["tflite"]), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["bundles"]
    assert first["digest"] == Bundle.load(bundles["onnx"]).digest and second["target"] == "tflite"
    assert [row["output"] for row in first["comparisons"]] == list(OUTPUTS)
    assert first["within"] is True and first["comparisons"][0]["within"] is True
    assert 0 <= first["comparisons"][0]["difference"] <= first["comparisons"][0]["bound"]


def test_a_bundle_that_cannot_be_read_takes_no_other_ones_json(
    bundles: dict[str, Path], tmp_path: Path, capsys: Capture
) -> None:
    with pytest.raises(BundleError, match="none"):
        main(["check", str(bundles["onnx"]), str(tmp_path / "none"), "--json"])
    (only,) = json.loads(capsys.readouterr().out)["bundles"]
    assert only["folder"] == str(bundles["onnx"]) and only["within"] is True


def test_another_engine_by_name_only(bundles: dict[str, Path]) -> None:
    check = check_bundle(bundles["onnx"], engine="openvino")
    assert check.comparisons[0].by.startswith("openvino") and check.list_missed() == []
    with pytest.raises(ConfigError, match="litert cannot run"):
        check_bundle(bundles["onnx"], engine="litert")
    with pytest.raises(ConfigError, match="no compute units"):
        check_bundle(bundles["onnx"], compute_units="all")


def test_elsewhere_the_evaluator_answers_for_core_ml(
    contents: BundleContents,
    reference: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    seen = play_evaluator(monkeypatch, reference)
    folder = write_core_ml_bundle(tmp_path / "b", contents)
    assert main(["check", str(folder), "--compute-units", "cpu_only"]) == 0
    told = capsys.readouterr()
    assert told.err == (
        f"{folder}: the reference evaluator has no compute units: cpu_only changes nothing here\n"
    )
    rows = [line for line in told.out.splitlines() if "coreml-reference" in line]
    assert len(rows) == 4 and seen == [folder / "model.mlpackage"]
    with pytest.raises(MissingDependencyError, match="macOS only"):
        main(["check", str(folder), "--engine", "coreml"])


def test_on_a_mac_engine_and_evaluator_are_compared_with_each_other(
    contents: BundleContents,
    reference: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both within the bound of the golden outputs, and not of each other."""
    bound = contents.golden.tolerance["gaze"]
    opened = play_core_ml(monkeypatch, shift(reference, "gaze", 0.8 * bound))
    play_evaluator(monkeypatch, shift(reference, "gaze", -0.8 * bound))
    monkeypatch.setattr(golden_check, "_find_reference_fault", lambda packages, extra: None)
    folder = write_core_ml_bundle(tmp_path / "b", contents)
    check = check_bundle(folder, compute_units="cpu_and_ne")
    assert [item.compute_units for item in opened] == ["CPU_AND_NE"]
    pairs = [(item.by, item.against) for item in check.comparisons[::4]]
    engine = "coreml 9.0 CPU_AND_NE"
    assert pairs == [(engine, GOLDEN), ("coreml-reference", GOLDEN), (engine, "coreml-reference")]
    (missed,) = check.list_missed()
    assert (missed.by, missed.against, missed.output) == (engine, "coreml-reference", "gaze")
    # The engine's outputs are float32, and the bound is a few of their rounding steps.
    assert missed.difference == pytest.approx(1.6 * bound, rel=0.1)


def test_on_a_mac_without_torch_the_engine_is_compared_alone(
    contents: BundleContents,
    reference: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play_core_ml(monkeypatch, reference)
    monkeypatch.setattr(golden_check, "_find_reference_fault", lambda packages, extra: "no torch")
    check = check_bundle(write_core_ml_bundle(tmp_path / "b", contents))
    assert {item.by for item in check.comparisons} == {"coreml 9.0 ALL"}
    assert check.remarks == ("not compared with coreml-reference: no torch",)


def test_what_is_no_number_is_no_match(
    contents: BundleContents,
    reference: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    play_evaluator(monkeypatch, shift(reference, "gaze", float("nan")))
    folder = write_core_ml_bundle(tmp_path / "b", contents)
    with pytest.raises(BundleError, match="gaze of coreml-reference off"):
        main(["check", str(folder), "--json"])
    (entry,) = json.loads(capsys.readouterr().out)["bundles"]
    assert [row["difference"] is None for row in entry["comparisons"]] == [False] * 3 + [True]
    assert entry["within"] is False
