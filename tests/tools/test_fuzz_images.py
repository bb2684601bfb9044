"""The fuzzer's door, without the fuzzer: seeds give squares, damage gives none and no crash."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from gazeclip.system import place

ROOT = Path(__file__).parents[2]
if not place.is_checkout():
    pytest.skip("needs a checkout", allow_module_level=True)
SPEC = importlib.util.spec_from_file_location("fuzz_images", ROOT / "tools" / "fuzz_images.py")
assert SPEC is not None and SPEC.loader is not None
tool = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tool)


def test_each_seed_reaches_the_end_of_both_readers(tmp_path: Path) -> None:
    tool.write_seeds(tmp_path)
    readers = tool.make_readers()
    found = {
        seed.name: tool.read_everything(seed.read_bytes(), readers) for seed in tmp_path.iterdir()
    }
    # the face of a picture of noise is not blurred, so that each reader gives a square a frame
    frames = {name: 2 if name.endswith("-frames") else 1 for name in found}
    assert found == {name: 2 * number for name, number in frames.items()}
    assert {name.split("-")[0] for name in found} >= {"JPEG", "PNG", "WEBP", "TIFF", "BMP"}


def test_damage_is_an_answer(tmp_path: Path) -> None:
    tool.write_seeds(tmp_path)
    readers = tool.make_readers()
    rng = np.random.default_rng(0)
    for seed in sorted(tmp_path.iterdir()):
        for _ in range(5):
            data = bytearray(seed.read_bytes())
            for place_ in rng.integers(0, len(data), 4):
                data[place_] = int(rng.integers(0, 256))
            tool.read_everything(bytes(data), readers)


def test_a_wrong_square_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool.write_seeds(tmp_path)
    readers = tool.make_readers()
    monkeypatch.setattr(tool, "SIZE", 64)
    with pytest.raises(ValueError, match="96"):
        tool.read_everything((tmp_path / "PNG-RGB").read_bytes(), readers)
