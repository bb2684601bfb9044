"""Images of a manifest as torch batches.

A key says which image under which augmentation, so workers hold no state.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gazeclip.data.augment import Augmentation
from gazeclip.data.manifest import Manifest
from gazeclip.data.rows import Sample
from gazeclip.images.preprocess import PixelContract, load_image

Key = tuple[int, int]  # (index in the split, number of the augmentation; -1: none)
Batch = dict[str, Tensor]
PLAIN = -1


class FaceDataset(Dataset[Batch]):
    """One split.

    Item `(index, number)` -> pixels uint8 `(3, S, S)`, label, index, number, flipped, and gaze
    `(2,)` in radians (NaN: unknown). Labels that are no class (unseen generators) are -1.

    Args:
        augmentation: of `(index, number)`; number `PLAIN` is the image as it is.
    """

    def __init__(
        self,
        manifest: Manifest,
        split: str,
        contract: PixelContract,
        classes: Sequence[str],
        augmentation: Callable[[int, int], Augmentation] | None = None,
    ) -> None:
        self.samples: list[Sample] = manifest.split(split)
        self.contract = contract
        self.augmentation = augmentation
        place = {name: number for number, name in enumerate(classes)}
        self.targets = np.array(
            [place.get(sample.label, -1) for sample in self.samples], dtype=np.int64
        )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> Batch:  # type: ignore[override]
        index, number = key
        sample = self.samples[index]
        flipped = False
        gaze = np.full(2, np.nan, dtype=np.float32)
        if sample.gaze is not None:
            gaze[:] = sample.gaze
        if number == PLAIN or self.augmentation is None:
            pixels = self.contract.apply(sample.path)
        else:
            augmentation = self.augmentation(index, number)
            image = load_image(sample.path, draft_size=self.contract.size)
            pixels = augmentation.apply(image, self.contract)
            flipped = augmentation.flipped
            if flipped:
                gaze[1] = -gaze[1]  # the yaw: left and right change places
        return {
            # (S, S, 3) -> (3, S, S)
            "pixels": torch.from_numpy(pixels).permute(2, 0, 1).contiguous(),
            "label": torch.tensor(self.targets[index]),
            "index": torch.tensor(index),
            "number": torch.tensor(number),
            "flipped": torch.tensor(flipped),
            "gaze": torch.from_numpy(gaze),
        }


def epoch_keys(
    n: int, seed: int, epoch: int, number: Callable[[int], int], stream: str = ""
) -> list[Key]:
    """All images once, in an order that depends on `(seed, epoch, stream)` only.

    `number(index)` chooses the augmentation.
    """
    order = np.random.default_rng((seed, epoch, 0x5EED, zlib.crc32(stream.encode()))).permutation(n)
    return [(int(index), number(int(index))) for index in order]


def rank_keys(keys: Sequence[Key], batch_size: int, rank: int, world: int) -> list[Key]:
    """The share of process `rank` out of `world`: every `world`-th batch, full ones, as many each.

    Together the shares are the order that one process with batches of `batch_size * world` would
    see. Fewer keys than one batch are one smaller batch.
    """
    rounds = len(keys) // (batch_size * world)
    if rounds == 0:
        return list(keys[rank::world])
    starts = ((number * world + rank) * batch_size for number in range(rounds))
    return [key for start in starts for key in keys[start : start + batch_size]]


def batches(
    dataset: FaceDataset, keys: Sequence[Key], batch_size: int, workers: int = 0
) -> Iterator[Batch]:
    """Batches of the given keys in their order; the last one may be smaller."""
    groups = [list(keys[start : start + batch_size]) for start in range(0, len(keys), batch_size)]
    # Workers only decode: one thread each, or they take the cores from training.
    loader = DataLoader(
        dataset,
        batch_sampler=groups,  # type: ignore[arg-type]
        num_workers=workers,
        worker_init_fn=_single_thread if workers else None,
        prefetch_factor=4 if workers else None,
    )
    yield from loader


def plain_keys(n: int) -> list[Key]:
    """Every image once, in order, without augmentation: for evaluation."""
    return [(index, PLAIN) for index in range(n)]


def _single_thread(_: int) -> None:
    torch.set_num_threads(1)
