"""The statement follows in-toto's and SLSA's specifications, and is about the model file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from export.__main__ import main
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.check import seal
from gazeclip.bundle.contents import BundleContents, OperatingPoint
from gazeclip.bundle.origin import find_model_files
from gazeclip.bundle.write import copy_with_point, write_bundle
from gazeclip.errors import BundleError


def read_statement(folder: Path) -> dict[str, Any]:
    statement: dict[str, Any] = json.loads((folder / "provenance.json").read_text())
    return statement


def test_it_names_the_files_and_what_they_were_made_from(bundles: dict[str, Path]) -> None:
    rates = {
        "fpr0.1": {"target_fpr": 0.001, "target_miss": 0.05},
        "fpr1": {"target_fpr": 0.01, "target_miss": 0.05},
    }
    for target, folder in bundles.items():
        statement = read_statement(folder)
        # The values that the specifications fix.
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
        models = sorted(folder.glob("model.*"))
        assert len(models) == (2 if target == "openvino" else 1)
        others = ["MODEL_CARD.md", "golden.npz", "text_bank.safetensors"]
        wanted = []
        for path in sorted([*models, *(folder / name for name in others)]):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            wanted.append({"name": path.name, "digest": {"sha256": digest}})
        assert statement["subject"] == wanted
        build = statement["predicate"]["buildDefinition"]
        assert build["buildType"] == "urn:gazeclip-edge:export:2"
        chosen = {"target": target, "precision": "fp32", "operating_points": rates}
        assert build["externalParameters"] == chosen
        assert build["resolvedDependencies"] == [
            {"name": "data_manifest", "digest": {"sha256": "b" * 64}},
            {"name": "teacher", "digest": {"sha256": "a" * 64}},
            {"name": "onnx", "uri": "pkg:pypi/onnx@1"},
        ]


def test_required_fields_are_there(bundles: dict[str, Path]) -> None:
    statement = read_statement(bundles["onnx"])
    assert set(statement) == {"_type", "subject", "predicateType", "predicate"}
    build = statement["predicate"]["buildDefinition"]
    assert {"buildType", "externalParameters"} <= set(build)
    assert statement["predicate"]["runDetails"]["builder"]["id"]
    # "at least one of uri, digest and content"
    for entry in build["resolvedDependencies"]:
        assert {"uri", "digest", "content"} & set(entry)


def test_what_was_chosen_is_an_external_parameter(spoiled: Path, contents: BundleContents) -> None:
    chosen = {"text_bank": "external", "coreml": {"deployment_target": "iOS18"}, "seed": 3}
    write_bundle(spoiled, dataclasses.replace(contents, parameters=chosen))
    found = read_statement(spoiled)["predicate"]["buildDefinition"]["externalParameters"]
    assert {key: found[key] for key in chosen} == chosen
    # Nobody can pass another target off as the bundle's by a parameter of that name.
    write_bundle(spoiled, dataclasses.replace(contents, parameters={"target": "tflite"}))
    found = read_statement(spoiled)["predicate"]["buildDefinition"]["externalParameters"]
    assert found["target"] == "onnx"


def test_another_threshold_is_another_statement(spoiled: Path, tmp_path: Path) -> None:
    source = Bundle.load(spoiled)
    point = OperatingPoint("fpr5", 0.5, -1.0, 0.05, 0.02)
    copy_with_point(spoiled, tmp_path / "copy", point, source.evidence, {})
    statement = read_statement(tmp_path / "copy")
    build = statement["predicate"]["buildDefinition"]
    rates = build["externalParameters"]["operating_points"]
    assert rates["fpr5"] == {"target_fpr": 0.05, "target_miss": 0.02} and len(rates) == 3
    card = hashlib.sha256((tmp_path / "copy" / "MODEL_CARD.md").read_bytes()).hexdigest()
    assert {"name": "MODEL_CARD.md", "digest": {"sha256": card}} in statement["subject"]
    assert main(["verify-bundle", str(tmp_path / "copy")]) == 0


def test_versions_and_names_as_package_urls(spoiled: Path, contents: BundleContents) -> None:
    versions = {"open_clip_torch": "3.3.0", "torch": "2.13.0+cpu", "gazeclip-edge": "0.1.0"}
    write_bundle(spoiled, dataclasses.replace(contents, versions=versions))
    predicate = read_statement(spoiled)["predicate"]
    found = [entry.get("uri") for entry in predicate["buildDefinition"]["resolvedDependencies"]]
    assert "pkg:pypi/open-clip-torch@3.3.0" in found
    assert "pkg:pypi/torch@2.13.0%2Bcpu" in found
    assert predicate["runDetails"]["builder"]["version"] == {"gazeclip-edge": "0.1.0"}


def test_the_files_of_a_package_are_the_model() -> None:
    package = ("model.mlpackage/Manifest.json", "model.mlpackage/Data/w.bin")
    files: dict[str, dict[str, str]] = {name: {} for name in (*package, "golden.npz", "model.md")}
    found = find_model_files({"model_file": "model.mlpackage"}, files)
    assert found == ["model.mlpackage/Data/w.bin", "model.mlpackage/Manifest.json"]
    assert find_model_files({"model_file": "a.onnx"}, {"a.onnx": {}, "b.onnx": {}}) == ["a.onnx"]


def change_statement(folder: Path, place: str, value: Any) -> None:
    """Change the statement, and write the hashes anew."""
    path = folder / "provenance.json"
    path.write_text(json.dumps(read_statement(folder) | {place: value}))
    meta = json.loads((folder / "bundle.json").read_text())
    data = path.read_bytes()
    entry = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    meta["files"]["provenance.json"] = entry
    meta["digest"] = seal(meta)
    (folder / "bundle.json").write_text(json.dumps(meta))
    Bundle.load(folder)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("subject", [], "provenance is of other files"),
        ("predicate", {}, "provenance says otherwise than bundle.json"),
    ],
)
def test_a_statement_of_another_bundle_is_refused(
    place: str, value: Any, words: str, spoiled: Path
) -> None:
    change_statement(spoiled, place, value)
    with pytest.raises(BundleError, match=words):
        main(["verify-bundle", str(spoiled)])


def make_older(folder: Path) -> None:
    """The bundle as the first version of statements had it, which was about the model alone."""
    meta = json.loads((folder / "bundle.json").read_text())
    del meta["parameters"]
    statement = read_statement(folder)
    (model,) = [entry for entry in statement["subject"] if entry["name"] == "model.onnx"]
    build = statement["predicate"]["buildDefinition"]
    build["buildType"] = "urn:gazeclip-edge:export:1"
    build["externalParameters"] = {"target": "onnx", "precision": "fp32"}
    (folder / "provenance.json").write_text(json.dumps(statement | {"subject": [model]}))
    data = (folder / "provenance.json").read_bytes()
    entry = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    meta["files"]["provenance.json"] = entry
    meta["digest"] = seal(meta)
    (folder / "bundle.json").write_text(json.dumps(meta))


def test_bundles_with_the_first_statement_verify_and_can_be_copied(
    spoiled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_older(spoiled)
    assert main(["verify-bundle", str(spoiled)]) == 0
    older = Bundle.load(spoiled)
    point = OperatingPoint("fpr5", 0.5, -1.0)
    copy_with_point(spoiled, tmp_path / "copy", point, older.evidence, {})
    assert read_statement(tmp_path / "copy") == read_statement(spoiled)
    assert main(["verify-bundle", str(tmp_path / "copy")]) == 0
    assert capsys.readouterr().out.count("whole") == 2


def test_a_bundle_of_an_earlier_version_has_none(
    spoiled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (spoiled / "provenance.json").unlink()
    meta = json.loads((spoiled / "bundle.json").read_text())
    del meta["files"]["provenance.json"]
    del meta["parameters"]
    meta["digest"] = seal(meta)
    (spoiled / "bundle.json").write_text(json.dumps(meta))
    assert main(["verify-bundle", str(spoiled)]) == 0
    assert "whole" in capsys.readouterr().out
