"""Packages of one program that were saved at other times, under other ids, become equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from export.targets.coreml_settle import settle_package
from tests.collecting import skip_without

skip_without("coremltools")

DATE = "com.github.apple.coremltools.conversion_date"
PARTS = ("com.apple.CoreML/model.mlmodel", "com.apple.CoreML/weights")


@pytest.fixture(name="model_class")
def find_model_class() -> Any:
    """The message of a model's file; importing the library that has it takes seconds."""
    from coremltools.proto import Model_pb2

    return Model_pb2.Model


def write_package(
    package: Path, model: Any, ids: tuple[str, str], date: str, keys: list[str]
) -> None:
    """A package as coremltools lays it out, with these ids of its parts and this order of notes."""
    entries = {}
    for name, path in zip(ids, PARTS, strict=True):
        entries[name] = {"author": "com.apple.CoreML", "path": path, "name": path[-7:]}
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": entries,
        "rootModelIdentifier": ids[0],
    }
    folder = package / "Data" / "com.apple.CoreML"
    (folder / "weights").mkdir(parents=True)
    (package / "Manifest.json").write_text(json.dumps(manifest))
    (folder / "weights" / "weight.bin").write_bytes(b"weights")
    for key in keys:
        model.description.metadata.userDefined[key] = f"value of {key}"
    model.description.metadata.userDefined[DATE] = date
    (folder / "model.mlmodel").write_bytes(model.SerializeToString())


def read_package(package: Path) -> dict[str, bytes]:
    files = [path for path in package.rglob("*") if path.is_file()]
    return {path.relative_to(package).as_posix(): path.read_bytes() for path in files}


def test_ids_date_and_order_go(tmp_path: Path, model_class: Any) -> None:
    keys = [f"key{number}" for number in range(20)]
    write_package(
        tmp_path / "a", model_class(specificationVersion=7), ("A", "B"), "2026-01-01", keys
    )
    write_package(
        tmp_path / "b", model_class(specificationVersion=7), ("X", "Y"), "2026-02-02", keys[::-1]
    )
    assert read_package(tmp_path / "a") != read_package(tmp_path / "b")
    settle_package(tmp_path / "a")
    settle_package(tmp_path / "b")
    assert read_package(tmp_path / "a") == read_package(tmp_path / "b")


def test_all_else_stays(tmp_path: Path, model_class: Any) -> None:
    model = model_class(specificationVersion=7)
    write_package(tmp_path / "a", model, ("A", "B"), "2026-01-01", ["classes"])
    settle_package(tmp_path / "a")
    manifest = json.loads((tmp_path / "a" / "Manifest.json").read_text())
    entries = manifest["itemInfoEntries"]
    assert sorted(entry["path"] for entry in entries.values()) == sorted(PARTS)
    assert entries[manifest["rootModelIdentifier"]]["path"] == PARTS[0]
    data = (tmp_path / "a" / "Data" / PARTS[0]).read_bytes()
    found = model_class.FromString(data)
    assert found.specificationVersion == 7
    assert dict(found.description.metadata.userDefined) == {"classes": "value of classes"}
    assert (tmp_path / "a" / "Data" / PARTS[1] / "weight.bin").read_bytes() == b"weights"
