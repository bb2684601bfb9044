"""What is trained: the interface of the loop, and the half of it that all tasks on faces share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from torch import Tensor, nn

from gazeclip.data.augment import Augmentation, draw_augmentation
from gazeclip.data.dataset import Batch, FaceDataset, batches, epoch_keys, rank_keys
from gazeclip.errors import ConfigError
from gazeclip.recipe.training import AugmentedTrainConfig, TrainConfig
from gazeclip.run.context import Context
from gazeclip.system import ranks
from gazeclip.training.validation import predict, validation_figures

_NAMED = 4  # how many images of a batch an error message names


class Task(Protocol):
    """What is trained; the loop knows nothing of faces."""

    name: str

    @property
    def model(self) -> nn.Module:
        """What is optimised and saved."""

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        """Groups for AdamW, each with its own `lr`."""

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """This process's share of one epoch, without its first `skip` batches."""

    def batches_per_epoch(self) -> int:
        """How many batches `batches` yields in all."""

    def loss(self, batch: Batch, model: nn.Module) -> dict[str, Tensor]:
        """Scalar terms; `loss` is what is minimised.

        `model` is `self.model`, wrapped where several processes train.
        """

    def evaluate(self) -> dict[str, float]:
        """Figures on val of `model` as it is now; `score` decides which epoch is kept.

        Higher is better.
        """

    def describe(self, batch: Batch) -> str:
        """Names a batch in an error message."""


class FaceTask:
    """The training images of a run, shared out among the processes; figures on val.

    Their order depends on `(seed, epoch, name)` only.

    Args:
        name: of the task; each has an order and augmentations of its own.
        augmentation: of a key `(index, number)`; None draws another one for every image and number.
        number: which augmentation an image gets in an epoch, from `(epoch, index)`.
    """

    model: nn.Module

    def __init__(
        self,
        context: Context,
        config: TrainConfig,
        name: str,
        augmentation: Callable[[int, int], Augmentation] | None = None,
        number: Callable[[int, int], int] = lambda epoch, index: epoch,
    ) -> None:
        manifest = context.manifest
        contract = context.contract
        classes = context.classes
        self.name = name
        self.config = config
        self.seed = context.recipe.seed
        self.workers = context.recipe.data.workers
        self.train = FaceDataset(
            manifest, "train", contract, classes, augmentation or self._draw_augmentation
        )
        self.val = FaceDataset(manifest, "val", contract, classes)
        self._number = number
        world = ranks.world_size()
        if world > 1 and len(self.train) < config.batch_size * world:
            raise ConfigError(
                f"{len(self.train)} training images do not fill one batch of {config.batch_size}"
                f" for each of {world} processes",
                remedy="Lower batch_size or start fewer processes",
            )

    def _draw_augmentation(self, index: int, number: int) -> Augmentation:
        strength = self.config.augment if isinstance(self.config, AugmentedTrainConfig) else 1.0
        return draw_augmentation(self.seed, index, number, strength, self.name)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """This process's share of the epoch."""
        size = self.config.batch_size
        keys = epoch_keys(
            len(self.train), self.seed, epoch, lambda index: self._number(epoch, index), self.name
        )
        mine = rank_keys(keys, size, ranks.rank(), ranks.world_size())
        return batches(self.train, mine[skip * size :], size, self.workers)

    def batches_per_epoch(self) -> int:
        """Full batches of this process; a data set smaller than one batch is one batch."""
        return max(1, len(self.train) // (self.config.batch_size * ranks.world_size()))

    def build_scorer(self) -> Callable[[Batch], Any]:
        """`batch -> outputs` of the model as it is now."""
        return lambda batch: self.model(batch["pixels"])

    def evaluate(self) -> dict[str, float]:
        """Detection AUC, macro attribution and their mean as `score`."""
        device = next(self.model.parameters()).device
        return validation_figures(
            predict(self.build_scorer(), self.val, device=device), self.val.targets
        )

    def describe(self, batch: Batch) -> str:
        """Paths of the first images."""
        return ", ".join(str(self.train.samples[int(i)].path) for i in batch["index"][:_NAMED])
