"""A bundle that is not whole is refused with one line; writing is repeatable."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.check import seal
from gazeclip.bundle.contents import BundleClass, BundleContents, OperatingPoint
from gazeclip.bundle.parts import read_text_bank
from gazeclip.bundle.write import write_bundle
from gazeclip.errors import BundleError
from runtimes import load


def test_round_trip(bundles: dict[str, Path], contents: BundleContents) -> None:
    bundle = Bundle.load(bundles["onnx"])
    assert [entry.name for entry in bundle.classes] == ["real", "swap", "gan", "flow"]
    assert bundle.temperature == {"attribution": 2.0, "detection": 1.5}
    np.testing.assert_array_equal(bundle.text_bank, contents.text_bank)
    images, outputs = bundle.golden
    np.testing.assert_array_equal(images, contents.golden.images)
    np.testing.assert_array_equal(outputs["gaze"], contents.golden.outputs["gaze"])
    point = bundle.operating_point("fpr0.1")
    assert (point.threshold, point.n_real, point.reliable, point.interval) == (
        0.99,
        300,
        False,
        None,
    )
    assert bundle.contract.size == 32
    assert bundle.meta["metrics"]["test"]["n"] == 300  # a NumPy integer came in


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


def test_card_is_written_from_the_data(bundles: dict[str, Path]) -> None:
    card = (bundles["onnx"] / "MODEL_CARD.md").read_text(encoding="utf-8")
    for piece in (
        "| swap | Swap | face_swap | graphics |",
        "| fpr1 | 0.8 | 300 | 0.75 to 0.85 | yes |",
        "| test_unseen | - | 0 |",
    ):
        assert piece in card, piece


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


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _edit(folder: Path, reseal: bool, **changes: Any) -> None:
    """Change bundle.json; with `reseal` as a writer with other ideas would, digest and all."""
    path = folder / "bundle.json"
    meta = json.loads(path.read_text()) | changes
    if reseal:
        meta["digest"] = seal(meta)
    path.write_text(json.dumps(meta))


_POINT = OperatingPoint("fpr1", 0.9).to_entry()
DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (shutil.rmtree, "is not a folder"),
    "no bundle.json": (lambda f: (f / "bundle.json").unlink(), "has no bundle.json"),
    "half a bundle.json": (
        lambda f: (f / "bundle.json").write_text((f / "bundle.json").read_text()[:400]),
        "is damaged",
    ),
    "not an object": (lambda f: (f / "bundle.json").write_text("[]"), "not an object"),
    "missing model": (lambda f: (f / "model.onnx").unlink(), "model.onnx is missing"),
    "flipped bit in the model": (lambda f: _flip(f / "model.onnx"), "model.onnx was changed"),
    "flipped bit in the bank": (
        lambda f: _flip(f / "text_bank.safetensors"),
        "text_bank.safetensors was changed",
    ),
    "truncated golden": (
        lambda f: (f / "golden.npz").write_bytes((f / "golden.npz").read_bytes()[:-9]),
        "instead of",
    ),
    "extra file": (lambda f: (f / "extra.py").write_text("x"), "extra.py does not belong"),
    "model is a link to nothing": (
        lambda f: (
            (f / "model.onnx").rename(f.parent / "m")
            and (f / "model.onnx").symlink_to(f.parent / "n")
        ),
        "model.onnx is a link to nothing",
    ),
    "model is a link to a folder": (
        lambda f: (
            (f / "model.onnx").rename(f.parent / "m") and (f / "model.onnx").symlink_to(f.parent)
        ),
        "model.onnx is a link to a folder",
    ),
    "model is a link to another file": (
        lambda f: (f / "model.onnx").unlink() or (f / "model.onnx").symlink_to(f / "MODEL_CARD.md"),
        "model.onnx has [0-9]+ bytes instead of",
    ),
    "lowered threshold": (lambda f: _edit(f, False, thresholds={"fpr1": 0.999}), "digest differs"),
    "threshold that is a bare number": (
        lambda f: _edit(f, True, thresholds={"fpr1": 0.9}),
        "threshold 'fpr1' needs exactly interval, n_real, reliable, threshold",
    ),
    "threshold whose interval is one number": (
        lambda f: _edit(f, True, thresholds={"fpr1": _POINT | {"interval": [0.9]}}),
        r"interval of threshold 'fpr1' is \[0\.9\], not two numbers",
    ),
    "threshold that is reliable by a number": (
        lambda f: _edit(f, True, thresholds={"fpr1": _POINT | {"reliable": 1, "n_real": "x"}}),
        "n_real of threshold 'fpr1' is 'x'.*reliable of threshold 'fpr1' is 1,",
    ),
    "schema of the future": (lambda f: _edit(f, True, schema=2), "schema 2 is unknown"),
    "fewer classes": (
        lambda f: _edit(
            f, True, classes=json.loads((f / "bundle.json").read_text())["classes"][:3]
        ),
        r"text_bank.safetensors is float32 \(4, 6\), the bundle says float32 \(3, 6\)",
    ),
    "other embedding length": (
        lambda f: _edit(f, True, embedding_dim=7),
        r"the bundle says float32 \(4, 7\)",
    ),
    "other image size": (lambda f: _edit(f, True, image_size=64), "differs from the contract"),
    "unknown contract": (
        lambda f: _edit(f, True, contract={"size": 32, "crop": 1}),
        "pixel contract is unknown",
    ),
    "zero temperature": (
        lambda f: _edit(f, True, temperature={"attribution": 1, "detection": 0}),
        "temperature of detection",
    ),
    "path that leaves the folder": (
        lambda f: _edit(f, True, model_file="../model.onnx"),
        "not in the file list",
    ),
    "wrong type": (lambda f: _edit(f, True, classes="real"), "'classes' has the wrong type"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused_in_one_line(name: str, spoiled: Path) -> None:
    damage, words = DAMAGE[name]
    Bundle.load(spoiled)
    damage(spoiled)
    with pytest.raises(BundleError, match=words) as caught:
        Bundle.load(spoiled)
    assert "\n" not in str(caught.value) and caught.value.remedy


def link_as_a_hub_does(folder: Path) -> None:
    """Move each file to a store under a name by content, and leave a relative link in its place."""
    store = folder.parent / "blobs"
    store.mkdir()
    for number, path in enumerate(sorted(item for item in folder.rglob("*") if item.is_file())):
        path.rename(store / f"{number:064x}")
        path.symlink_to(os.path.relpath(store / f"{number:064x}", path.parent))


@pytest.mark.parametrize("target", ["openvino", "onnx", "tflite"])
def test_links_as_a_hub_cache_makes_them_are_followed(
    target: str, bundles: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(bundles[target], tmp_path / "snapshot"))
    link_as_a_hub_does(folder)
    whole = load(bundles[target], threads=1)
    linked = load(folder, threads=1)
    assert linked.bundle.digest == whole.bundle.digest and max(linked.self_test().values()) < 1e-4
    blob = (folder / linked.bundle.meta["model_file"]).resolve()
    _flip(blob)
    with pytest.raises(BundleError, match="was changed"):
        Bundle.load(folder)


def test_hidden_files_are_no_part_of_a_bundle(spoiled: Path, contents: BundleContents) -> None:
    before = Bundle.load(spoiled).digest
    for name in (
        ".DS_Store",
        "Thumbs.db",
        "._model.onnx",
        ".ipynb_checkpoints/a.json",
        "__MACOSX/._a",
    ):
        (spoiled / name).parent.mkdir(exist_ok=True)
        (spoiled / name).write_bytes(b"litter")
    assert Bundle.load(spoiled).digest == before
    assert write_bundle(spoiled, contents).digest == before


def test_remedies_can_help(spoiled: Path) -> None:
    (spoiled / "notes.txt").write_text("x")
    with pytest.raises(BundleError, match="Move what does not belong to it elsewhere"):
        Bundle.load(spoiled)
    (spoiled / "MODEL_CARD.md").unlink()
    with pytest.raises(BundleError, match="Copy or download the whole folder again"):
        Bundle.load(spoiled)
    _edit(spoiled, True, schema=2)
    with pytest.raises(BundleError, match="Use the version of this program that wrote it"):
        Bundle.load(spoiled)


def test_without_verify_only_the_hashes_are_skipped(spoiled: Path) -> None:
    _flip(spoiled / "model.onnx")
    Bundle.load(spoiled, verify=False)
    (spoiled / "extra.py").write_text("x")
    with pytest.raises(BundleError, match="does not belong"):
        Bundle.load(spoiled, verify=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text_bank": np.zeros((3, 6), np.float32)}, "text_bank"),
        ({"golden": {"tolerance": {"embedding": 1e-5}}}, "golden tolerance of logits"),
        ({"precision": "int4"}, "precision 'int4'"),
        ({"thresholds": {"fpr1": OperatingPoint("fpr1", float("nan"))}}, "threshold 'fpr1'"),
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
