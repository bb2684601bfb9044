"""Which compute units a package is opened with; Core ML itself is played."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.layout import COMPUTE_UNITS
from gazeclip.errors import BundleError, ConfigError, MissingDependencyError
from runtimes import load
from runtimes.cli import main
from tests.core_ml import play_core_ml, write_core_ml_bundle

Reference = Callable[[np.ndarray], dict[str, np.ndarray]]


@pytest.mark.parametrize(
    ("given", "opened"),
    [
        ({}, "ALL"),
        ({"compute_units": "all"}, "ALL"),
        ({"compute_units": "cpu_only"}, "CPU_ONLY"),
        ({"compute_units": "cpu_and_gpu"}, "CPU_AND_GPU"),
        ({"compute_units": "cpu_and_ne"}, "CPU_AND_NE"),
        ({"device": "cpu"}, "CPU_ONLY"),
        ({"device": "GPU"}, "CPU_AND_GPU"),
        ({"device": "ane"}, "CPU_AND_NE"),
    ],
)
def test_units_that_are_asked_for(
    given: dict[str, str],
    opened: str,
    contents: BundleContents,
    reference: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = play_core_ml(monkeypatch, reference)
    folder = write_core_ml_bundle(tmp_path / "b", contents)
    verifier = load(folder, threads=1, **given)  # type: ignore[arg-type]
    assert [(item.path, item.compute_units) for item in found] == [
        (folder / "model.mlpackage", opened)
    ]
    assert verifier.engine.label == f"coreml 9.0 {opened}"
    verifier.self_test()  # the images arrive as they are


def test_the_bundle_says_which_unless_others_are_asked_for(
    contents: BundleContents,
    reference: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = play_core_ml(monkeypatch, reference)
    folder = write_core_ml_bundle(tmp_path / "b", contents, compute_units="cpu_and_ne")
    load(folder)
    load(folder, compute_units="cpu_only")
    load(folder, device="gpu")
    assert [item.compute_units for item in found] == ["CPU_AND_NE", "CPU_ONLY", "CPU_AND_GPU"]
    strange = write_core_ml_bundle(tmp_path / "c", contents, compute_units="tpu")
    with pytest.raises(BundleError, match="no compute units 'tpu'"):
        load(strange)
    load(strange, compute_units="all")


def test_what_is_no_unit_and_two_places_are_refused(
    contents: BundleContents,
    reference: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = play_core_ml(monkeypatch, reference)
    folder = write_core_ml_bundle(tmp_path / "b", contents)
    with pytest.raises(ConfigError, match=r"no device 'npu'\. Available: all, cpu_only"):
        load(folder, compute_units="npu")
    with pytest.raises(ConfigError, match="name two places"):
        load(folder, device="cpu", compute_units="cpu_only")
    assert found == []


def test_other_engines_have_none(bundles: dict[str, Path], photos: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="onnxruntime has no compute units, coreml has"):
        load(bundles["onnx"], compute_units="all")
    command = ["verify", str(photos["real"]), "--bundle", str(bundles["onnx"])]
    for units in COMPUTE_UNITS:
        with pytest.raises(ConfigError, match="Leave --compute-units out"):
            main([*command, "--compute-units", units])


@pytest.mark.skipif(sys.platform == "darwin", reason="there it may be")
def test_elsewhere_core_ml_says_that_it_is_not_there(
    contents: BundleContents, tmp_path: Path
) -> None:
    folder = write_core_ml_bundle(tmp_path / "b", contents)
    with pytest.raises(MissingDependencyError, match="Core ML runs on macOS only"):
        load(folder, compute_units="cpu_only")
