"""The store against the encoder itself, image by image, and after a kill."""

from __future__ import annotations

import copy
import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gazeclip.errors import ArtifactError
from gazeclip.images.preprocess import PixelContract
from gazeclip.stages.gaze_store import build_gaze_store, store_name
from gazeclip.teacher.gaze.encoder import GazeEncoder
from gazeclip.teacher.gaze.small import SmallGaze

CPU = torch.device("cpu")


class Images:
    """Stands for a FaceDataset: 11 images that fail from a given one on."""

    def __init__(self, broken_from: int = 99) -> None:
        self.broken_from, self.read = broken_from, 0
        self.pixels = torch.from_numpy(
            np.random.default_rng(0).integers(0, 256, (11, 3, 96, 96), dtype=np.uint8)
        )

    def __len__(self) -> int:
        return 11

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Tensor]:
        if key[0] >= self.broken_from:
            raise KeyboardInterrupt
        self.read += 1
        return {"pixels": self.pixels[key[0]]}


@pytest.fixture(scope="module")
def encoder() -> GazeEncoder:
    torch.manual_seed(0)
    return SmallGaze().freeze()


def test_rows_are_what_the_encoder_gives(tmp_path: Path, encoder: GazeEncoder) -> None:
    images = Images()
    store = build_gaze_store(encoder, images, tmp_path / "s", CPU, batch_size=4)  # type: ignore[arg-type]
    index, flipped = torch.tensor([7, 0, 7, 10]), torch.tensor([False, True, True, False])
    found = store.find_features(index, flipped)
    for row, (i, mirror) in enumerate(zip(index.tolist(), flipped.tolist(), strict=True)):
        pixels = images.pixels[i : i + 1]
        with torch.no_grad():
            expected = encoder(pixels.flip(-1) if mirror else pixels)
        torch.testing.assert_close(found.gaze[row], expected.gaze[0], atol=1e-5, rtol=1e-4)
        # float16 keeps eleven bits
        torch.testing.assert_close(found.tokens[row], expected.tokens[0], atol=1e-3, rtol=1e-3)
    build_gaze_store(encoder, images, tmp_path / "s", CPU, batch_size=4)  # type: ignore[arg-type]
    assert images.read == 11  # found there, not computed again


def test_stores_side_by_side_differ_by_encoder_images_size_and_split(encoder: GazeEncoder) -> None:
    def context(data: str = "a", size: int = 96) -> Any:
        return SimpleNamespace(
            run=SimpleNamespace(output_hash=lambda stage: f"{stage} {data}"),
            contract=PixelContract(size),
        )

    other = SmallGaze().freeze()
    names = [
        store_name(context(), encoder, "train"),
        store_name(context(), encoder, "val"),
        store_name(context(), other, "train"),
        store_name(context("b"), encoder, "train"),
        store_name(context(size=64), encoder, "train"),
    ]
    assert len(set(names)) == 5
    assert store_name(context(), copy.deepcopy(encoder), "train") == names[0]


def test_a_disk_without_room_is_told_before_anything_is_measured(
    tmp_path: Path, encoder: GazeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ArtifactError, match=r"no room for .* MB of gaze features"):
        build_gaze_store(encoder, Images(), tmp_path, CPU, batch_size=4)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_killed_build_goes_on(tmp_path: Path, encoder: GazeEncoder) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_gaze_store(encoder, Images(broken_from=9), tmp_path / "s", CPU, batch_size=4)  # type: ignore[arg-type]
    images = Images()
    store = build_gaze_store(encoder, images, tmp_path / "s", CPU, batch_size=4)  # type: ignore[arg-type]
    assert images.read == 3  # two batches of four were there
    whole = build_gaze_store(encoder, Images(), tmp_path / "t", CPU, batch_size=4)  # type: ignore[arg-type]
    np.testing.assert_array_equal(store.tokens, whole.tokens)
    np.testing.assert_array_equal(store.angles, whole.angles)
