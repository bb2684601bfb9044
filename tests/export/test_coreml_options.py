"""Systems and units of Core ML packages: what is known, what is refused, what an export keeps."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from export import registry
from export.command import export_wanted
from export.coreml_options import (
    LOWEST_SYSTEM,
    SPECIFICATIONS,
    USUAL_SYSTEM,
    find_system_faults,
    list_options,
    merge_options,
)
from gazeclip.bundle.layout import COMPUTE_UNITS, Precision
from gazeclip.cli.verbs import run_verb
from gazeclip.errors import ConfigError
from gazeclip.recipe.stages import CoreMlOptions
from tests.collecting import skip_without


def test_systems_are_those_of_apples_table() -> None:
    """All phones and Macs from the lowest on, so that a new release is noticed."""
    skip_without("coremltools")
    import coremltools

    lowest = min(SPECIFICATIONS[system] for system in LOWEST_SYSTEM.values())
    table = {}
    for name, version in coremltools.target.__members__.items():
        if name.startswith(("iOS", "macOS")) and version.value >= lowest:
            table[name] = version.value
    assert table == SPECIFICATIONS
    assert {name.upper() for name in COMPUTE_UNITS} == set(coremltools.ComputeUnit.__members__)


@pytest.mark.parametrize("precision", registry.TARGETS["coreml"].precisions)
def test_each_precision_has_its_lowest_system(precision: Precision) -> None:
    lowest = LOWEST_SYSTEM[precision]
    assert find_system_faults(None, [precision]) == []
    for system, version in SPECIFICATIONS.items():
        faults = find_system_faults(system, [precision])
        assert (faults == []) == (version >= SPECIFICATIONS[lowest])
        assert all(lowest in fault.what and precision in fault.what for fault in faults)


def test_the_usual_system_is_one_that_can_be() -> None:
    for precision, system in USUAL_SYSTEM.items():
        assert find_system_faults(system, [precision]) == []


def test_what_is_too_old_or_unknown_is_told_in_one_line() -> None:
    (fault,) = find_system_faults("macOS13", ["fp32", "int8", "int8"])
    assert fault.what == (
        "coreml.deployment_target: int8 needs iOS17 / macOS14, and macOS13 is older"
    )
    assert fault.remedy == "Use iOS17 / macOS14 or later, or leave int8 out"
    (fault,) = find_system_faults("macOS-14", ["fp32"])
    assert "no system 'macOS-14'" in fault.what and fault.remedy == "Did you mean 'macOS14'?"


def test_recipes_are_refused_for_core_ml_only() -> None:
    find = registry.find_target_faults
    assert find(["onnx", "tflite"], ["int8"], "iOS16") == []
    (fault,) = find(["onnx", "coreml"], ["int8", "fp32"], "iOS16")
    assert "int8 needs iOS17" in fault.what
    assert find(["coreml"], ["int8", "fp32"], "iOS18") == []


def test_exports_are_refused_before_the_first() -> None:
    asked = CoreMlOptions("iOS16")
    exporter = SimpleNamespace(run=None, coreml_asked=asked, coreml=asked)
    with pytest.raises(ConfigError, match="int8 needs iOS17 / macOS14, and iOS16 is older"):
        export_wanted(exporter, [("onnx", "fp32"), ("coreml", "int8")], False)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="none is exported"):
        export_wanted(exporter, [("onnx", "int8")], False)  # type: ignore[arg-type]


def test_the_command_knows_systems_and_units(capsys: pytest.CaptureFixture[str]) -> None:
    for option, wrong in (("deployment-target", "iOS14"), ("compute-units", "npu")):
        with pytest.raises((SystemExit, ConfigError)):
            run_verb("export", [f"--coreml-{option}", wrong], "gazeclip export")
        assert wrong in capsys.readouterr().err


def test_what_is_asked_for_goes_before_the_recipe() -> None:
    recipe = CoreMlOptions("iOS17", "cpu_only")
    assert merge_options(CoreMlOptions(), recipe) == recipe
    assert merge_options(CoreMlOptions("iOS18"), recipe) == CoreMlOptions("iOS18", "cpu_only")
    assert merge_options(CoreMlOptions(None, "all"), recipe) == CoreMlOptions("iOS17", "all")


def test_an_export_depends_on_what_was_chosen_and_on_nothing_else() -> None:
    """Earlier exports stay up to date, and those of other targets."""
    assert list_options(CoreMlOptions(), "coreml") == {}
    assert list_options(CoreMlOptions("iOS17"), "onnx") == {}
    chosen = list_options(CoreMlOptions("iOS17", "all"), "coreml")
    assert chosen == {"coreml": {"deployment_target": "iOS17", "compute_units": "all"}}
    assert list_options(CoreMlOptions("iOS17"), "coreml") != chosen
