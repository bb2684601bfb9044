"""What a hybrid teacher's frozen CNNs give, kept by runs that show them the same images: the
variants of an ablation's seed.

A single training draws a new augmentation of every image in every epoch, so it has nothing to find
here. Values are kept as they
are, in float32: a run that finds them ends with the same weights as one that computes them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gazeclip.data.dataset import PLAIN, Batch
from gazeclip.files.hashes import fingerprint
from gazeclip.run.context import Context
from gazeclip.teacher.image.hybrid import HybridTower, Seen
from gazeclip.teacher.model import GazeCLIP


class CnnStores:
    """The stores of one teacher's CNNs under `folder`, each opened when first asked for."""

    def __init__(self, context: Context, tower: HybridTower, folder: Path) -> None:
        recipe = context.recipe
        self._tower, self._folder, self._open = tower, folder, dict[str, CnnStore]()
        self._plain = {
            "cnns": _hash_networks(tower),
            "data": context.run.output_hash("data"),
            "contract": context.contract.to_dict(),
        }
        self._drawn = {**self._plain, "seed": recipe.seed, "augment": recipe.teacher.train.augment}
        self._counts = {
            split: len(context.manifest.split(split))
            for split in ("train", "val", "test", "test_unseen")
        }

    def find_seen(self, split: str, batch: Batch) -> Seen:
        """Of a batch of one split whose images have their augmentations of one number."""
        number = int(batch["number"][0])
        name = f"{split}-{fingerprint(self._plain if number == PLAIN else {**self._drawn, 'number': number})[:16]}"
        if name not in self._open:
            self._open[name] = CnnStore(self._tower, self._folder / name, self._counts[split])
        return self._open[name].find_seen(batch["index"], batch["pixels"])


class CnnStore:
    """Files that hold `Seen` of `count` images, filled as they come by."""

    def __init__(self, tower: HybridTower, folder: Path, count: int) -> None:
        self._tower, self._folder, self._count = tower, folder, count
        self._files: list[np.memmap] = []
        self._there = self._open_array("there", (), np.dtype(bool))

    def _open_array(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.memmap:
        path = self._folder / f"{name}.npy"
        if path.is_file():
            return np.lib.format.open_memmap(path, mode="r+")
        self._folder.mkdir(parents=True, exist_ok=True)
        return np.lib.format.open_memmap(
            path, mode="w+", dtype=dtype, shape=(self._count, *shape)
        )  # starts as zeros

    def find_seen(self, index: Tensor, pixels: Tensor) -> Seen:
        """Of images `index (B,)`, whose `pixels` are looked at only where one is new."""
        rows = index.cpu().numpy()
        if not self._there[rows].all():
            with torch.no_grad():
                found = self._tower.see_frozen(pixels)
            self._files = self._files or [
                self._open_array(f"{place}", tuple(part.shape[1:]), np.dtype(np.float32))
                for place, part in enumerate(found)
            ]
            for file, part in zip(self._files, found, strict=True):
                file[rows] = part.float().cpu().numpy()
            self._there[rows] = (
                True  # last: what a killed run leaves without this mark is computed again
            )
            return found
        self._files = self._files or [
            self._open_array(str(place), (), np.dtype(np.float32))
            for place in range(len(Seen._fields))
        ]
        return Seen(*(torch.from_numpy(file[rows]).to(pixels.device) for file in self._files))


def stores_for(context: Context, model: GazeCLIP, folder: Path) -> CnnStores | None:
    """None where the CNNs are trained with the teacher, or there are none."""
    if not isinstance(model.tower, HybridTower) or not model.config.backbone_frozen:
        return None
    return CnnStores(context, model.tower, folder)


def _hash_networks(tower: HybridTower) -> str:
    """Of everything that `see_frozen` depends on besides the images."""
    digest = hashlib.sha256(
        repr((tower.input_size, tower.extra_sizes, tower.folded, tower.taken)).encode()
    )
    for part in (tower.backbone, tower.extra):
        for name, value in sorted(part.state_dict().items()):
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
