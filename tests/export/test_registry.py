"""Targets by name, refusals by what is possible; and one entry is all that a new one takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.measure.subject import Subject, engine_titles
from benchmarks.report.plots import short_label
from export import registry, runner
from export.__main__ import main
from export.job import ExportJob
from gazeclip import __version__
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.layout import OUTPUTS, PRECISIONS
from gazeclip.bundle.write import write_bundle
from gazeclip.commands.preflight import preflight
from gazeclip.errors import ConfigError
from gazeclip.networks.student import StudentOutput
from gazeclip.recipe.load import parse_recipe
from gazeclip.run import versions
from gazeclip.run.stages import bundle_stage, parse_bundle_stage
from runtimes import load
from runtimes.engines.registry import ENGINES


@pytest.mark.parametrize("name", sorted(registry.TARGETS))
def test_every_target_has_the_one_signature(name: str) -> None:
    if registry.find_target(name).missing_packages():
        pytest.skip(f"{name} is not installed")
    module = registry.load_target(name)
    assert callable(module.export) and callable(module.rehearse)


@pytest.mark.parametrize("name", sorted(registry.TARGETS))
def test_the_entry_fits_its_engine_and_the_bundle_format(name: str) -> None:
    target = registry.find_target(name)
    if target.missing_packages():
        pytest.skip(f"{name} is not installed")
    module = registry.load_target(name)
    assert {"fp32", "int8"} <= set(target.precisions) <= set(PRECISIONS)
    assert ENGINES[target.engine].formats[0] == Path(module.FILE).suffix
    assert parse_bundle_stage(bundle_stage(name, "fp32")) == (name, "fp32")


def test_the_student_has_the_outputs_of_a_bundle() -> None:
    assert StudentOutput._fields == OUTPUTS


def test_unknown_target_is_refused_with_a_hint() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'openvino'"):
        registry.load_target("openvin")


def test_impossible_precision_and_missing_encoder_are_refused(
    job: Any, student: Any, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="Choose one of: fp32, w8, int8"):
        job("fp16").require_precision("onnx")
    with pytest.raises(ConfigError, match="python -m gazeclip quantize"):
        ExportJob(student, None, "int8", tmp_path, ("real",), 64).require_precision("onnx")


@pytest.mark.parametrize("name", sorted(registry.TARGETS))
def test_an_export_writes_no_precision_that_its_entry_lacks(
    name: str, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = registry.find_target(name)
    if target.missing_packages():
        pytest.skip(f"{name} is not installed")
    monkeypatch.setitem(registry.TARGETS, name, replace(target, precisions=("int8",)))
    with pytest.raises(ConfigError, match=f"'{name}' cannot write precision 'fp32'"):
        registry.load_target(name).export(job("fp32"))


DUMMY = registry.Target(
    module="dummy_target",
    packages=("dummy_converter",),
    extra="onnx",
    engine="onnxruntime",
    precisions=("fp16",),
)


@pytest.fixture
def dummy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target whose files ONNX Runtime runs: one entry, and a module that is not imported."""
    monkeypatch.setitem(registry.TARGETS, "dummy", DUMMY)


@pytest.fixture
def refusal() -> Callable[[dict[str, Any]], str]:
    """What preflight says against a recipe with this group `export`."""

    def preflight_export(export: dict[str, Any]) -> str:
        with pytest.raises(ConfigError) as caught:
            preflight(parse_recipe({"name": "x", "export": export}))
        return str(caught.value)

    return preflight_export


@pytest.mark.usefixtures("dummy")
def test_one_entry_and_the_commands_know_a_target(
    refusal: Callable[[dict[str, Any]], str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as alone:  # the list imports every converter, for many seconds
        for name in registry.TARGETS.keys() - {"onnx", "dummy"}:
            alone.delitem(registry.TARGETS, name)
        assert main(["--list"]) == 0
    (line,) = [row for row in capsys.readouterr().out.splitlines() if row.startswith("dummy ")]
    assert line.split()[1:3] == ["fp16", "onnxruntime"] and "not installed: python -m pip" in line
    with pytest.raises(ConfigError, match="Did you mean 'dummy'"):
        main(["--target", "dumy"])
    with pytest.raises(ConfigError, match="Did you mean 'dummy'"):
        registry.find_target("dumy")
    assert "Did you mean 'dummy'" in refusal({"targets": ["dumy"]})
    assert "not installed: dummy_converter. Run: python -m pip" in refusal({"targets": ["dummy"]})
    found = refusal({"targets": ["dummy"], "precisions": ["int8"]})
    assert "dummy cannot be exported as int8, only as fp16" in found


def test_the_list_tells_a_broken_converter_from_one_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spoiled_converter").mkdir()
    (tmp_path / "spoiled_converter/__init__.py").write_text("raise ImportError('no symbol')")
    monkeypatch.syspath_prepend(tmp_path)
    broken = replace(DUMMY, packages=("spoiled_converter",))
    fine = replace(DUMMY, packages=("json",))
    monkeypatch.setattr(registry, "TARGETS", {"broken": broken, "fine": fine})
    assert main(["--list"]) == 0
    _, first, second = capsys.readouterr().out.splitlines()
    assert "broken: 'spoiled_converter' is installed but cannot be imported (no symbol)" in first
    assert "pip uninstall -y spoiled-converter && " in first
    assert second.endswith("  installed")


@pytest.mark.usefixtures("dummy")
def test_one_entry_and_its_module_is_exported_from(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(export=lambda job: {})
    monkeypatch.setitem(sys.modules, "dummy_target", module)  # type: ignore[arg-type]
    monkeypatch.setitem(registry.TARGETS, "dummy", replace(DUMMY, packages=()))
    assert registry.load_target("dummy") is module


@pytest.mark.usefixtures("dummy")
def test_one_entry_and_its_precisions_are_those_that_a_job_may_have(job: Any) -> None:
    job("fp16").require_precision("dummy")
    with pytest.raises(ConfigError, match=r"'dummy' cannot write .* 'int8'\. Choose one of: fp16"):
        job("int8").require_precision("dummy")


@pytest.mark.usefixtures("dummy")
def test_one_entry_and_its_versions_are_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"numpy": "1.0", "dummy-converter": "7.5"}
    monkeypatch.setattr(versions, "installed_version", known.get)
    assert versions.read_versions() == {"gazeclip-edge": __version__, **known}


@pytest.mark.usefixtures("dummy")
def test_one_entry_and_its_bundles_are_run(
    bundles: dict[str, Path], contents: BundleContents, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "model.onnx").write_bytes((bundles["onnx"] / "model.onnx").read_bytes())
    write_bundle(tmp_path, replace(contents, target="dummy", model_file="model.onnx"))
    bundle = Bundle.load(tmp_path)
    assert bundle.target == "dummy"
    images, expected = bundle.golden
    infer, engine = runner.open_runner(bundle, 1)
    assert engine == "onnxruntime" and set(infer(images)) == set(expected)
    assert load(tmp_path, threads=1).engine.name == "onnxruntime"


def test_a_reference_evaluator_stands_in_where_the_engine_does_not_exist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outputs = {name: np.zeros((1, 1), np.float32) for name in OUTPUTS}
    evaluator = SimpleNamespace(evaluate=lambda path, images, feeds: outputs)
    monkeypatch.setitem(sys.modules, "dummy_reference", evaluator)  # type: ignore[arg-type]
    entry = replace(DUMMY, engine="coreml", reference="dummy_reference")
    monkeypatch.setitem(registry.TARGETS, "dummy", entry)
    monkeypatch.setattr("sys.platform", "linux")
    bundle = runner.unfinished_bundle(Path("x"), "dummy", "fp16", "model.mlpackage", 32, {})
    infer, engine = runner.open_runner(bundle, 1)
    assert infer(np.zeros((1, 32, 32, 3), np.uint8)) is outputs
    assert engine == "coreml-reference" and runner.is_reference(engine)
    assert engine in engine_titles()


def test_reports_know_every_engine_that_a_target_runs_in() -> None:
    for target in registry.TARGETS.values():
        subject = Subject("s", "student", target.engine, "int8", None, lambda images: {}, 32)
        entry = {"role": "student", "engine": subject.engine, "precision": "int8"}
        assert short_label(entry).endswith(" int8")


def test_impossible_exports_are_refused_together() -> None:
    registry.refuse_impossible(["openvino", "coreml", "tflite"], ["fp16", "int8"])
    with pytest.raises(ConfigError) as caught:
        registry.refuse_impossible(["onnx", "openvino", "tflit", "onx"], ["fp16", "int8"])
    text = str(caught.value)
    assert "onnx cannot be exported as fp16, only as fp32, w8, int8" in text
    assert "no export target 'tflit'" in text and "openvino" not in text
    assert "no export target 'onx'" in text
