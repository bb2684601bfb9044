"""Which images of the calibration split set the quantizers' ranges, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from gazeclip.data.augment import Augmentation, draw_augmentation
from gazeclip.data.dataset import PLAIN, FaceDataset, batches, epoch_keys
from gazeclip.networks.student import Student
from gazeclip.run.context import Context


def calibration_batches(context: Context, student: Student) -> Iterator[Tensor]:
    """Normalised images `(1, 3, S, S)` of the calibration split, its classes in turn.

    Every second one is under a deployment augmentation. Most calibration images are real, for the
    thresholds' sake; the first few hundred, which set the ranges, shall show all generators.
    """
    seed = context.recipe.seed

    def draw(index: int, number: int) -> Augmentation:
        return draw_augmentation(seed, index, number, stream="calibration")

    def choose_number(index: int) -> int:
        return PLAIN if index % 2 else 0

    dataset = FaceDataset(context.manifest, "calibration", context.contract, context.classes, draw)
    shuffled = epoch_keys(len(dataset), seed, 0, choose_number)
    keys = take_in_turn(shuffled, dataset.targets)
    with torch.no_grad():
        for batch in batches(dataset, keys, 1):
            yield student.normalise(batch["pixels"])


def take_in_turn(keys: Sequence[tuple[int, int]], targets: np.ndarray) -> list[tuple[int, int]]:
    """Keys (index, number) reordered: one of each class, then another of each, and so on.

    Within a class they keep their order; a class that is used up is passed over. `targets (N,)`.
    """
    seen: Counter[int] = Counter()
    turns = []
    for key in keys:
        target = int(targets[key[0]])
        turns.append(seen[target])
        seen[target] += 1
    order = np.argsort(turns, kind="stable")
    return [keys[place] for place in order]
