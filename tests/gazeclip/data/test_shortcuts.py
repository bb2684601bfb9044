"""A property of the files that gives the label away is found, and chance is not taken for one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gazeclip.__main__ import main
from gazeclip.console.tables import print_plain
from gazeclip.data.headers import read_header
from gazeclip.data.rows import Sample
from gazeclip.data.shortcuts import (
    ALL,
    PROPERTIES,
    WARN_AUC,
    Shortcut,
    find_shortcuts,
    held_out_auc,
    shortcut_table,
    shortcut_warnings,
)

COUNT = 16
Saved = dict[str, Any]


def faces(folder: Path, saved: dict[str, Saved], count: int = COUNT) -> list[Sample]:
    """`count` pictures of noise per label, saved as said; the noise says nothing of labels."""
    samples = []
    for place, (label, how) in enumerate(saved.items()):
        options = {"suffix": ".jpg", "size": (32, 32), **how}
        suffix = options.pop("suffix")
        size = options.pop("size")
        for number in range(count):
            rng = np.random.default_rng((place, number))
            pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            path = folder / f"{label}{number}{suffix}"
            Image.fromarray(pixels).save(path, **options)
            samples.append(Sample(path, label, "train"))
    return samples


def by_name(found: list[Shortcut], generator: str = ALL) -> dict[str, Shortcut]:
    return {item.property: item for item in found if item.generator == generator}


@pytest.mark.parametrize(
    ("name", "real", "forged"),
    [
        ("format", {}, {"suffix": ".png"}),
        ("pixels", {}, {"size": (48, 48)}),
        ("aspect ratio", {"size": (32, 32)}, {"size": (64, 16)}),
        ("JPEG quality", {"quality": 92}, {"quality": 80}),
        ("chroma subsampling", {"subsampling": "4:4:4"}, {"subsampling": "4:2:0"}),
        ("bytes per pixel", {"optimize": False}, {"optimize": True}),
    ],
)
def test_each_property_is_looked_at(tmp_path: Path, name: str, real: Saved, forged: Saved) -> None:
    found = find_shortcuts(faces(tmp_path, {"real": real, "swap_gan": forged}))
    assert by_name(found)[name].auc == 1.0
    lines = shortcut_warnings(found)
    assert any(line.startswith(f"{name} alone tells from real") for line in lines)
    same = find_shortcuts(faces(tmp_path, {"real": real, "swap_gan": real}))
    assert by_name(same)[name].auc in (None, pytest.approx(0.5, abs=0.3))
    assert shortcut_warnings(same) == []


def test_one_generator_of_several_is_named(tmp_path: Path) -> None:
    plain = {"subsampling": "4:4:4", "quality": 92}
    saved = {"real": plain, "synth_gan": plain, "synth_flow": plain}
    saved["swap_gan"] = {**plain, "subsampling": "4:2:0"}
    found = find_shortcuts(faces(tmp_path, saved))
    assert by_name(found, "swap_gan")["chroma subsampling"].auc == 1.0
    assert by_name(found, "synth_gan")["chroma subsampling"].auc == 0.5
    # a third of the forgeries are told for certain, the others by a coin
    assert by_name(found)["chroma subsampling"].auc == pytest.approx(2 / 3, abs=0.02)
    line = next(line for line in shortcut_warnings(found) if line.startswith("chroma"))
    told, generator = line.split("): ", 1)
    assert told == "chroma subsampling alone tells from real (4:4:4 100%"
    assert generator == "swap_gan (AUC 1.00: 4:2:0 100%)"
    print_plain(shortcut_table(found), sys.stdout)


def test_the_headers_say_what_was_written(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((10, 20, 3), dtype=np.uint8))
    for quality in (1, 30, 50, 75, 92, 99, 100):
        for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
            image.save(tmp_path / "a.jpg", quality=quality, subsampling=subsampling)
            header = read_header(tmp_path / "a.jpg")
            assert header is not None
            assert (header.format, header.width, header.height) == ("JPEG", 20, 10)
            assert (header.quality, header.subsampling) == (quality, subsampling)
            assert header.bytes == (tmp_path / "a.jpg").stat().st_size
    image.convert("L").save(tmp_path / "a.jpg")
    grey = read_header(tmp_path / "a.jpg")
    assert grey is not None and grey.subsampling == "grey"
    image.save(tmp_path / "a.png")
    png = read_header(tmp_path / "a.png")
    assert png is not None and (png.quality, png.subsampling) == (None, None)
    (tmp_path / "b.png").write_bytes(b"no picture")
    assert read_header(tmp_path / "b.png") is None
    assert read_header(tmp_path / "none.png") is None


@pytest.mark.parametrize("kind", ["two values", "all different texts", "numbers"])
def test_chance_gives_one_half(kind: str) -> None:
    """Measured on the images it was fitted on, a score would reach 1 where all values differ."""
    aucs = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        forged = np.arange(60) < 30
        values = {
            "two values": rng.choice(["a", "b"], 60),
            "all different texts": rng.permutation(60).astype(str),
            "numbers": rng.normal(size=60),
        }[kind]
        aucs.append(held_out_auc(values, forged))
    # a single AUC deviates by 0.075, the mean of 200 by 0.005
    assert np.mean(np.array(aucs, dtype=float)) == pytest.approx(0.5, abs=0.02)


def test_numbers_need_no_order() -> None:
    """Real pictures between two sizes of forgeries: no threshold tells them, bins do."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.uniform(1, 2, 100), rng.uniform(0, 1, 50), rng.uniform(2, 3, 50)])
    auc = held_out_auc(values, np.arange(200) >= 100)
    assert auc is not None and auc > 0.95


def test_small_sets_do_not_warn_by_chance(tmp_path: Path) -> None:
    warned = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=24)
        auc = held_out_auc(values, np.arange(24) < 12)
        warned += auc is not None and auc >= WARN_AUC
    assert warned > 0  # so that the bound by deviations is needed
    found = find_shortcuts(faces(tmp_path, {"real": {}, "swap_gan": {}}, count=12))
    assert shortcut_warnings(found) == []
    few = find_shortcuts(faces(tmp_path, {"real": {}, "swap_gan": {"suffix": ".png"}}, count=3))
    assert {item.auc for item in few} == {None}
    assert len(few) == len(PROPERTIES) * 2


def test_data_check_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = faces(tmp_path, {"real": {}, "swap_gan": {"suffix": ".png"}})
    lines = ["path,label,split"]
    for number, sample in enumerate(samples):
        split = ("train", "val", "calibration", "test")[number % 4]
        lines.append(f"{sample.path.name},{sample.label},{split}")
    (tmp_path / "m.csv").write_text("\n".join(lines))
    assert main(["data", "check", str(tmp_path / "m.csv"), "--taxonomy", "demo"]) == 0
    printed = capsys.readouterr()
    assert "warning: format alone tells from real (JPEG 100%): " in printed.err
    assert "swap_gan (AUC 1.00: PNG 100%)" in printed.err
    assert "AUC of one property alone" in printed.out
