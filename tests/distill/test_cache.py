"""The teacher's cache: what was stored is read, and a cache of something else is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from distill.cache import TeacherCache
from distill.student import load_cache
from gazeclip.data.augment import draw_augmentation
from gazeclip.errors import ArtifactError
from gazeclip.files.atomic import write_json
from gazeclip.files.tensors import save_tensors
from gazeclip.images.preprocess import PixelContract

R = 2
SIZES = (3, 2)
CLASSES = ("real", "swap_gan", "synth_flow")


def values(index: int, number: int) -> dict[str, torch.Tensor]:
    base = 10.0 * index + number
    return {
        "embedding": base + torch.arange(4) / 8,
        "logits": -base + torch.arange(3) / 8,
        "fake_logit": torch.tensor([base / 4]),
        "gaze": torch.tensor([base / 64, float("nan") if index == 4 else 0.5]),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    start = 0
    for shard, size in enumerate(SIZES):
        keys = [(start + i, r) for i in range(size) for r in range(R)]
        tensors = {
            name: torch.stack([values(*key)[name] for key in keys]).half().unflatten(0, (size, R))
            for name in values(0, 0)
        }
        tensors["parameters"] = torch.from_numpy(
            np.stack([draw_augmentation(0, *key).vector() for key in keys])
        ).unflatten(0, (size, R))
        save_tensors(tmp_path / f"shard-{shard:05d}.safetensors", tensors)
        start += size
    facts = {
        "images": start,
        "augmentations": R,
        "shards": len(SIZES),
        "classes": list(CLASSES),
        "contract": PixelContract(32).to_dict(),
        "teacher": "t",
        "data": "d",
    }
    write_json(tmp_path / "cache.json", facts)
    return tmp_path


def test_targets_are_those_of_the_key_across_shards(folder: Path) -> None:
    cache = TeacherCache.load(folder)
    assert cache.augmentations == R
    keys = [(4, 1), (0, 0), (2, 1), (3, 0)]
    targets = cache.targets(torch.tensor([k[0] for k in keys]), torch.tensor([k[1] for k in keys]))
    for row, key in enumerate(keys):
        for name, expected in values(*key).items():
            assert targets[name].dtype == torch.float32
            torch.testing.assert_close(targets[name][row], expected, equal_nan=True, atol=0, rtol=0)


def test_augmentations_are_those_drawn(folder: Path) -> None:
    cache = TeacherCache.load(folder)
    for index in range(5):
        for number in range(R):
            assert cache.augmentation(index, number) == draw_augmentation(0, index, number)


@pytest.mark.parametrize(
    "harm",
    [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-9])],
    ids=["missing", "truncated"],
)
@pytest.mark.parametrize("shard", [0, 1])
def test_a_damaged_shard_is_refused(folder: Path, shard: int, harm: Any) -> None:
    harm(folder / f"shard-{shard:05d}.safetensors")
    with pytest.raises(ArtifactError, match=f"shard-0000{shard}"):
        TeacherCache.load(folder)


def test_too_few_images_are_refused(folder: Path) -> None:
    (folder / "shard-00001.safetensors").write_bytes(
        (folder / "shard-00000.safetensors").read_bytes()
    )
    with pytest.raises(ArtifactError, match="6 of 5 images"):
        TeacherCache.load(folder)


def test_a_folder_without_facts_is_refused(folder: Path) -> None:
    (folder / "cache.json").unlink()
    with pytest.raises(ArtifactError, match="missing"):
        TeacherCache.load(folder)


def context(folder: Path, **changes: Any) -> Any:
    made = {"teacher": "t", "data": "d"} | changes
    run = SimpleNamespace(
        root=folder,
        manifest=lambda stage: {},
        folder=lambda stage: folder,
        output_hash=made.__getitem__,
    )
    return SimpleNamespace(
        run=run,
        classes=changes.get("classes", CLASSES),
        contract=changes.get("contract", PixelContract(32)),
    )


def test_the_runs_own_cache_is_taken(folder: Path) -> None:
    assert load_cache(context(folder)).facts["images"] == 5


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", ("real", "synth_flow", "swap_gan")),
        ("contract", PixelContract(48)),
        ("contract", PixelContract(32, "bilinear")),
        ("teacher", "u"),
        ("data", "e"),
    ],
)
def test_a_cache_of_something_else_is_refused(folder: Path, key: str, value: Any) -> None:
    with pytest.raises(ArtifactError, match=f"another {key}"):
        load_cache(context(folder, **{key: value}))
