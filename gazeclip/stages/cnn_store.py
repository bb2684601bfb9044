"""What a hybrid teacher's frozen CNNs give, kept by runs that show them the same images.

Such runs are the variants of an ablation's seed.

A single training draws a new augmentation of every image in every epoch, so it has nothing to find
here. Values are kept as they are, in float32: a run that finds them ends with the same weights as
one that computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazeclip.data.dataset import PLAIN, Batch
from gazeclip.files.arrays import open_array
from gazeclip.files.hashes import fingerprint
from gazeclip.networks.weights import hash_networks
from gazeclip.run.context import Context
from gazeclip.teacher.image.hybrid import HybridTower, Seen
from gazeclip.teacher.model import GazeCLIP

_SPLITS = ("train", "val", "test", "test_unseen")


class CnnStores:
    """The stores of one teacher's CNNs under `folder`, each opened when first asked for."""

    def __init__(self, context: Context, tower: HybridTower, folder: Path) -> None:
        recipe = context.recipe
        self._tower = tower
        self._folder = folder
        self._open: dict[str, CnnStore] = {}
        # What the values of an image without augmentation depend on, and of one with.
        self._facts: dict[str, Any] = {
            "cnns": _hash_cnns(tower),
            "data": context.run.output_hash("data"),
            "contract": context.contract.to_dict(),
        }
        self._drawing: dict[str, Any] = {
            "seed": recipe.seed,
            "augment": recipe.teacher.train.augment,
        }
        self._counts = {split: len(context.manifest.split(split)) for split in _SPLITS}

    def find_seen(self, split: str, batch: Batch) -> Seen:
        """Of a batch of one split whose images have their augmentations of one number."""
        number = int(batch["number"][0])
        facts = self._facts
        if number != PLAIN:
            facts = {**facts, **self._drawing, "number": number}
        name = f"{split}-{fingerprint(facts)[:16]}"
        if name not in self._open:
            self._open[name] = CnnStore(self._tower, self._folder / name, self._counts[split])
        return self._open[name].find_seen(batch["index"], batch["pixels"])


class CnnStore:
    """Files that hold `Seen` of `count` images, filled as they come by."""

    def __init__(self, tower: HybridTower, folder: Path, count: int) -> None:
        self._tower = tower
        self._folder = folder
        self._count = count
        self._files: list[np.memmap] = []  # one for each field of `Seen`, `(count, ...)` float32
        self._there = self._open_array("there", (), np.dtype(bool))

    def _open_array(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.memmap:
        path = self._folder / f"{name}.npy"
        return open_array(path, (self._count, *shape), dtype, "what the frozen CNNs give")

    def _open_files(self, shapes: Sequence[tuple[int, ...]]) -> None:
        if not self._files:
            float32 = np.dtype(np.float32)
            for place, shape in enumerate(shapes):
                self._files.append(self._open_array(str(place), shape, float32))

    def find_seen(self, index: Tensor, pixels: Tensor) -> Seen:
        """Of images `index (B,)`, whose `pixels` are looked at only where one is new."""
        rows = index.cpu().numpy()
        if not self._there[rows].all():
            with torch.no_grad():
                found = self._tower.see_frozen(pixels)
            self._open_files([tuple(part.shape[1:]) for part in found])
            for file, part in zip(self._files, found, strict=True):
                file[rows] = part.float().cpu().numpy()
            # Last: what a killed run leaves without this mark is computed again.
            self._there[rows] = True
            return found
        # The files are there, and know their shapes themselves.
        self._open_files([() for _ in Seen._fields])
        return Seen(*(torch.from_numpy(file[rows]).to(pixels.device) for file in self._files))


def stores_for(context: Context, model: GazeCLIP, folder: Path) -> CnnStores | None:
    """None where the CNNs are trained with the teacher, or there are none."""
    if not isinstance(model.tower, HybridTower) or not model.config.backbone_frozen:
        return None
    return CnnStores(context, model.tower, folder)


def _hash_cnns(tower: HybridTower) -> str:
    """Of everything that `see_frozen` depends on besides the images."""
    settings = repr((tower.input_size, tower.extra_sizes, tower.folded, tower.taken))
    return hash_networks(tower.backbone, tower.extra, settings=settings)
