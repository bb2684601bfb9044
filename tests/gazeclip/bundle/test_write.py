"""What is written can be read as it was given, and writing is repeatable."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.contents import BundleClass, BundleContents, OperatingPoint
from gazeclip.bundle.parts import read_text_bank
from gazeclip.bundle.write import write_bundle
from gazeclip.errors import BundleError
from gazeclip.images.crop_rule import CropRule


def test_round_trip(bundles: dict[str, Path], contents: BundleContents) -> None:
    bundle = Bundle.load(bundles["onnx"])
    assert [entry.name for entry in bundle.classes] == ["real", "swap", "gan", "flow"]
    assert bundle.temperature == {"attribution": 2.0}
    assert bundle.evidence == contents.evidence
    np.testing.assert_array_equal(bundle.text_bank, contents.text_bank)
    images, outputs = bundle.golden
    np.testing.assert_array_equal(images, contents.golden.images)
    np.testing.assert_array_equal(outputs["gaze"], contents.golden.outputs["gaze"])
    point = bundle.operating_point("fpr0.1")
    assert point == contents.thresholds["fpr0.1"] and not point.reliable
    assert bundle.operating_point() == contents.thresholds["fpr1"]
    assert bundle.operating_point().reliable
    assert bundle.contract.size == 32
    assert bundle.crop is None and set(bundle.meta["contract"]) == set(bundle.contract.to_dict())
    assert bundle.meta["metrics"]["test"]["n"] == 300  # a NumPy integer came in


def test_how_images_were_cut_is_no_part_of_the_pixels(
    bundles: dict[str, Path], contents: BundleContents, tmp_path: Path
) -> None:
    shutil.copyfile(bundles["onnx"] / "model.onnx", tmp_path / "model.onnx")
    rule = CropRule("face", side=1.3, lift=0.02)
    bundle = write_bundle(tmp_path, replace(contents, crop=rule))
    assert bundle.crop == rule
    assert bundle.contract == contents.contract
    entry = json.loads((tmp_path / "bundle.json").read_text())["contract"]
    told = {"crop": "face", "crop_side": 1.3, "crop_lift": 0.02}
    assert entry == contents.contract.to_dict() | told
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert "1.3 times the side" in card and "by 0.02 of its side" in card


def test_file_hashes_are_sha256_of_the_files(bundles: dict[str, Path]) -> None:
    for folder in bundles.values():
        files = json.loads((folder / "bundle.json").read_text())["files"]
        on_disk = {path.name for path in folder.iterdir()} - {"bundle.json"}
        assert set(files) == on_disk
        for name, entry in files.items():
            data = (folder / name).read_bytes()
            assert entry == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_text_bank_is_what_the_safetensors_library_reads(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    bank = safetensors.load_file(bundles["onnx"] / "text_bank.safetensors")
    np.testing.assert_array_equal(bank["text_bank"], Bundle.load(bundles["onnx"]).text_bank)
    other = np.arange(15, dtype=np.float32).reshape(3, 5)
    safetensors.save_file({"text_bank": other}, tmp_path / "other.safetensors")
    np.testing.assert_array_equal(read_text_bank(tmp_path / "other.safetensors"), other)
    whole = (tmp_path / "other.safetensors").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut.safetensors").write_bytes(whole[:length])
        with pytest.raises(BundleError, match="is damaged"):
            read_text_bank(tmp_path / "cut.safetensors")


def test_writing_twice_gives_the_same_bytes(spoiled: Path, contents: BundleContents) -> None:
    before = {path.name: path.read_bytes() for path in spoiled.iterdir()}
    (spoiled / ".golden.npz.x.partial").write_bytes(b"left by a killed export")
    write_bundle(spoiled, contents)
    assert {path.name: path.read_bytes() for path in spoiled.iterdir()} == before


def test_folders_inside_a_package_are_covered(tmp_path: Path, contents: BundleContents) -> None:
    weights = tmp_path / "model.mlpackage" / "Data" / "weights" / "weight.bin"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    package = replace(contents, target="coreml", model_file="model.mlpackage")
    write_bundle(tmp_path, package)
    (tmp_path / "manifest.json").write_text(
        "{}"
    )  # the stage's own record is not part of the bundle
    assert Bundle.load(tmp_path).model_path.is_dir()
    weights.write_bytes(b"weightz")
    with pytest.raises(BundleError, match=r"Data/weights/weight\.bin was changed"):
        Bundle.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text_bank": np.zeros((3, 6), np.float32)}, "text_bank"),
        ({"golden": {"tolerance": {"embedding": 1e-5}}}, "golden tolerance of logits"),
        ({"precision": "int4"}, "precision 'int4'"),
        ({"thresholds": {"fpr1": OperatingPoint("fpr1", float("nan"), 0.0)}}, "threshold 'fpr1'"),
        ({"golden": {"images": np.zeros((8, 16, 16, 3), np.uint8)}}, "golden.npz images"),
        ({"classes": [BundleClass("gan", "", "", "")] * 4}, "class 0 is not 'real'"),
    ],
)
def test_writer_refuses_parts_that_do_not_fit(
    change: dict[str, Any], words: str, spoiled: Path, contents: BundleContents
) -> None:
    if "golden" in change:
        change = {"golden": replace(contents.golden, **change["golden"])}
    with pytest.raises(BundleError, match=words):
        write_bundle(spoiled, replace(contents, **change))


def test_a_killed_export_leaves_no_bundle(
    spoiled: Path, contents: BundleContents, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gazeclip.bundle.write.write_golden", killed)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(spoiled, contents)
    with pytest.raises(BundleError, match=r"has no bundle\.json"):
        Bundle.load(spoiled)
