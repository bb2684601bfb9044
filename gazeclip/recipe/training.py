"""The settings of one training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from gazeclip.recipe.bounds import BelowOne, Bounds, Count, NonNegative, Positive


@dataclass(frozen=True)
class TrainConfig:
    """One training. `lr` is for new layers; a pretrained backbone gets `lr * backbone_lr_scale`.

    `batch_size` is per process; gradients of `accumulate` batches are averaged before each step.
    `precision` is that of the forward pass where it is safe (autocast). `patience`: epochs without
    a better val score before it stops. Within an epoch the state is saved every
    `checkpoint_minutes`, besides after each epoch.
    """

    epochs: Count = 10
    batch_size: Count = 32
    accumulate: Count = 1
    precision: Literal["no", "bf16", "fp16"] = "no"
    checkpoint_minutes: NonNegative = 10.0
    lr: Positive = 1e-3
    backbone_lr_scale: NonNegative = 1.0
    weight_decay: NonNegative = 0.05
    warmup_epochs: NonNegative = 1.0
    ema_decay: BelowOne = 0.99
    clip_norm: Positive = 5.0
    patience: Count = 1000


@dataclass(frozen=True)
class AugmentedTrainConfig(TrainConfig):
    """A training that draws its own augmentations, of strength `augment`.

    The student's were drawn when the cache was made.
    """

    augment: Annotated[float, Bounds(ge=0, le=3)] = 1.0
