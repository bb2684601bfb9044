"""A package that is missing, one that is broken and one of which only a folder is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazeclip.errors import MissingDependencyError
from gazeclip.system import packages
from gazeclip.system.packages import find_import_faults, is_installed, require


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that packages are imported from."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def install(site: Path, package: str, text: str, distribution: str) -> None:
    """A package with what pip writes beside it."""
    (site / package).mkdir()
    (site / package / "__init__.py").write_text(text)
    info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "top_level.txt").write_text(f"{package}\n")


@pytest.mark.parametrize("module", ["remains", "remains.interpreter"])
def test_a_folder_left_by_pip_is_no_package(module: str, site: Path) -> None:
    (site / "remains" / "cache").mkdir(parents=True)
    assert not is_installed("remains")
    with pytest.raises(MissingDependencyError) as caught:
        require(module, extra="onnx")
    left = f"of it only the folder {site / 'remains'} is left"
    assert caught.value.message == f"'{module}' is not installed ({left})"
    assert caught.value.remedy == f"Run: {packages.install_command('onnx')}"


def test_a_folder_that_pip_still_lists_is_broken(site: Path) -> None:
    install(site, "hollow", "", "hollow-gpu")
    (site / "hollow" / "__init__.py").unlink()
    with pytest.raises(MissingDependencyError, match="'hollow' is installed but cannot") as caught:
        require("hollow", extra="onnx")
    assert "pip uninstall -y hollow-gpu && " in str(caught.value.remedy)


def test_the_remedy_names_the_distribution_that_is_installed(site: Path) -> None:
    install(site, "spoiled_engine", "raise OSError('no libcudart')", "spoiled-engine-gpu")
    (fault,) = find_import_faults(["json", "spoiled_engine"], "onnx")
    assert fault.what == "'spoiled_engine' is installed but cannot be imported (no libcudart)"
    assert "pip uninstall -y spoiled-engine-gpu && " in fault.remedy
