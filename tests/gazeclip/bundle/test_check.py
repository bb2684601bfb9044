"""A bundle that is not whole is refused with one line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.check import seal
from gazeclip.bundle.contents import BundleContents, OperatingPoint
from gazeclip.bundle.write import write_bundle
from gazeclip.errors import BundleError
from runtimes import load


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


_POINT = OperatingPoint("fpr1", 0.9, -0.5).to_entry()


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (shutil.rmtree, "is not a folder"),
    "no bundle.json": (lambda f: (f / "bundle.json").unlink(), "has no bundle.json"),
    "half a bundle.json": (
        lambda f: (f / "bundle.json").write_text((f / "bundle.json").read_text()[:400]),
        "is damaged",
    ),
    "lists in lists without end": (
        lambda f: (f / "bundle.json").write_text("[" * 100_000),
        "is damaged",
    ),
    "number that is none": (
        lambda f: _edit(f, False, metrics={"cllr": float("nan")}),
        "digest differs",
    ),
    "gaze that is neither": (lambda f: _edit(f, True, gaze="no"), "'gaze' is 'no', not true or"),
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
        "threshold 'fpr1' needs exactly fake_from, fpr_bound, miss_bound, n_fake, n_real,",
    ),
    "threshold that is a text": (
        lambda f: _edit(f, True, thresholds={"fpr1": _POINT | {"real_below": "-1"}}),
        "real_below of threshold 'fpr1' is '-1', not a number",
    ),
    "threshold whose rate is a percentage": (
        lambda f: _edit(f, True, thresholds={"fpr1": _POINT | {"fpr_bound": 1.5, "n_real": "x"}}),
        "fpr_bound of threshold 'fpr1' is 1.5.*n_real of threshold 'fpr1' is 'x',",
    ),
    "thresholds that cross": (
        lambda f: _edit(f, True, thresholds={"fpr1": _POINT | {"real_below": 1.0}}),
        "real_below of threshold 'fpr1' is above its fake_from",
    ),
    "no shipped threshold": (
        lambda f: _edit(f, True, thresholds={"fpr5": _POINT}),
        "no operating point 'fpr1'",
    ),
    "evidence of an unknown score": (
        lambda f: _edit(f, True, evidence={"weights": {"entropy": 1.0}, "bias": 0.0}),
        "evidence needs weights of some of detection, log_odds, margin",
    ),
    "evidence that a score speaks against itself": (
        lambda f: _edit(
            f, True, evidence={"weights": {"margin": -1.0}, "bias": None, "limits": [2.0, 1.0]}
        ),
        "weight of margin is -1.0.*bias is None.*limits are ",
    ),
    "schema of the past": (lambda f: _edit(f, True, schema=1), "schema 1 is unknown.*wrote it"),
    "schema of the future": (lambda f: _edit(f, True, schema=4), "schema 4 is unknown"),
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
    "half a crop rule": (
        lambda f: _edit(f, True, contract={"size": 32, "version": 2, "crop": "face"}),
        "pixel contract is unknown.*crop do not say how images were cut",
    ),
    "unknown contract": (
        lambda f: _edit(f, True, contract={"size": 32, "margin": 1}),
        "pixel contract is unknown",
    ),
    "zero temperature": (
        lambda f: _edit(f, True, temperature={"attribution": 0}),
        "temperature of attribution",
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
    _edit(spoiled, True, schema=4)
    with pytest.raises(BundleError, match="Use the version of this program that wrote it"):
        Bundle.load(spoiled)


def test_without_verify_only_the_hashes_are_skipped(spoiled: Path) -> None:
    _flip(spoiled / "model.onnx")
    Bundle.load(spoiled, verify=False)
    (spoiled / "extra.py").write_text("x")
    with pytest.raises(BundleError, match="does not belong"):
        Bundle.load(spoiled, verify=False)
