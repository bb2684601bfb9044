"""What differs is named, and what is the same is not."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from export.__main__ import main
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.contents import BundleClass, BundleContents, OperatingPoint
from gazeclip.bundle.diff import Difference, compare_bundles, count_other_bytes
from gazeclip.bundle.write import write_bundle


def find(differences: list[Difference], part: str) -> dict[str, tuple[object, object]]:
    return {item.name: (item.first, item.second) for item in differences if item.part == part}


@pytest.fixture
def first(bundles: dict[str, Path]) -> Bundle:
    return Bundle.load(bundles["onnx"])


def test_a_copy_is_the_same(first: Bundle, spoiled: Path, contents: BundleContents) -> None:
    assert compare_bundles(first, Bundle.load(spoiled)) == []
    assert compare_bundles(first, write_bundle(spoiled, contents)) == []


def test_each_part_is_named(first: Bundle, spoiled: Path, contents: BundleContents) -> None:
    renamed = BundleClass("gan", "Another title", category="entire_synthesis", family="gan")
    changed = dataclasses.replace(
        contents,
        classes=[*contents.classes[:2], renamed, *contents.classes[3:]],
        thresholds={
            **contents.thresholds,
            "fpr1": dataclasses.replace(contents.thresholds["fpr1"], fake_from=1.5),
            "fpr5": OperatingPoint("fpr5", 0.5, -1.0),
        },
        metrics={"test": {"auc": 0.8, "n": 300}, "test_unseen": {"auc": None, "n": 0}},
        text_bank=contents.text_bank + np.float32(0.25),
    )
    found = compare_bundles(first, write_bundle(spoiled, changed))
    assert find(found, "classes") == {"2 gan.title": ("A GAN", "Another title")}
    thresholds = find(found, "thresholds")
    assert thresholds["fpr1.fake_from"] == (1.4, 1.5)
    assert thresholds["fpr5.fake_from"] == (None, 0.5)
    assert "fpr0.1.fake_from" not in thresholds
    assert find(found, "metrics") == {"test.auc": (0.9, 0.8)}
    assert find(found, "contract") == {} and find(found, "evidence") == {}
    (pair,) = find(found, "text_bank.safetensors").values()
    assert pair == (0.0, pytest.approx(0.25, abs=1e-6))  # float32
    assert {"text_bank.safetensors", "MODEL_CARD.md"} <= set(find(found, "files"))
    assert "model.onnx" not in find(found, "files")


def test_bytes_of_the_model_are_counted_as_by_hand(
    first: Bundle, spoiled: Path, contents: BundleContents
) -> None:
    model = spoiled / "model.onnx"
    data = bytearray(model.read_bytes())
    places = (7, 70, len(data) - 1)
    for place in places:
        data[place] ^= 255
    model.write_bytes(bytes(data) + b"abc")
    second = write_bundle(spoiled, contents)
    assert count_other_bytes(first, second, "model.onnx") == (len(places) + 3, 7)
    told = find(compare_bundles(first, second), "files")["model.onnx"]
    assert told[0] == f"{len(data)} bytes"
    assert told[1] == f"{len(data) + 3} bytes, 6 bytes differ, the first is number 7"
    shutil.copyfile(first.folder / "model.onnx", model)
    with model.open("ab") as file:
        file.write(b"x")
    longer = write_bundle(spoiled, contents)
    assert count_other_bytes(first, longer, "model.onnx") == (1, len(data))


def test_the_command_tells_same_from_different_by_its_exit_code(
    first: Bundle,
    spoiled: Path,
    contents: BundleContents,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["diff", str(first.folder), str(spoiled)]) == 0
    assert "the same" in capsys.readouterr().out
    write_bundle(spoiled, dataclasses.replace(contents, temperature={"attribution": 2.5}))
    assert main(["diff", str(first.folder), str(spoiled)]) == 1
    assert "temperature" in capsys.readouterr().out
    assert main(["diff", "--json", str(first.folder), str(spoiled)]) == 1
    told = json.loads(capsys.readouterr().out)
    entry = {"part": "temperature", "name": "attribution", "first": 2.0, "second": 2.5}
    assert told["same"] is False and entry in told["differences"]
