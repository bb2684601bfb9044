"""What survives a kill: weights, their average, optimizer moments, counters.

One file, written whole.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from gazeclip.files.tensors import load_tensors, save_tensors
from gazeclip.recipe.training import TrainConfig
from gazeclip.system import ranks
from gazeclip.training.ema import Ema
from gazeclip.training.task import Task

LAST = "last.safetensors"
BEST = "best.safetensors"
# Names in `LAST` start with what a tensor belongs to; moments are `optimizer.<number>.<slot>`.
_MODEL = "model."
_EMA = "ema."
_OPTIMIZER = "optimizer."
COUNTERS = ("epoch", "step", "images", "loss_sum", "seconds", "best", "history")


class TrainState:
    """A training in progress. `epoch` epochs are finished and `step` steps of the next one.

    Nothing of a random generator is kept: every step seeds its own, from
    `(seed, epoch, step, rank)`.
    """

    def __init__(self, task: Task, config: TrainConfig, folder: Path, seed: int) -> None:
        self.task = task
        self.config = config
        self.folder = folder
        self.seed = seed
        self.accelerator = _build_accelerator(config)
        task.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        task.model.to(self.accelerator.device)
        groups = [group for group in task.parameter_groups(config) if group["params"]]
        # Fused: the moments of hundreds of small tensors in one pass; on a small network a tenth of
        # the step.
        optimizer = torch.optim.AdamW(groups, fused=True)
        self.base_lrs = [group["lr"] for group in optimizer.param_groups]
        self.model: nn.Module
        self.model, self.optimizer = self.accelerator.prepare(task.model, optimizer)
        self.ema: Ema | None = None
        if config.ema_decay > 0 and ranks.is_main():
            self.ema = Ema(task.model, config.ema_decay)
        self.epoch = 0
        self._reset_epoch()
        self.best: dict[str, Any] = {}
        self.history: list[dict[str, float]] = []
        self._saved = time.monotonic()

    def _reset_epoch(self) -> None:
        """Counts of the epoch that goes on: steps, and of this process images and their loss."""
        self.step = 0
        self.images = 0
        self.loss_sum = 0.0
        self.seconds = 0.0

    def close_epoch(self) -> None:
        """Enter the epoch that has ended into the history."""
        self.epoch += 1
        entry = {
            "epoch": self.epoch,
            "loss": self.loss_sum / self.images,
            "images_per_s": self.images * ranks.world_size() / self.seconds,
            "seconds": self.seconds,
        }
        self.history.append(entry)
        self._reset_epoch()

    def is_better(self, figures: dict[str, float]) -> bool:
        """Whether an epoch with these figures is the one to keep."""
        return not self.best or figures["score"] > self.best["score"]

    def parameters(self) -> list[Tensor]:
        """What the optimizer changes, in its own order, which numbers its moments."""
        return [value for group in self.optimizer.param_groups for value in group["params"]]

    def save_if_due(self) -> None:
        """Save inside an epoch, at most every `checkpoint_minutes`."""
        elapsed_s = time.monotonic() - self._saved
        if ranks.is_main() and elapsed_s >= 60 * self.config.checkpoint_minutes:
            self.save()

    def save(self) -> None:
        """Write everything.

        The counters travel inside the tensor file, because two files could be apart after a kill.
        """
        if not ranks.is_main():
            return
        tensors = {_MODEL + name: value for name, value in self.task.model.state_dict().items()}
        if self.ema:
            tensors |= {_EMA + name: value for name, value in self.ema.shadow.items()}
        for number, slots in self.optimizer.state_dict()["state"].items():
            for slot, value in slots.items():
                tensors[f"{_OPTIMIZER}{number}.{slot}"] = torch.as_tensor(value)
        counters = {name: getattr(self, name) for name in COUNTERS}
        counters["ema_steps"] = self.ema.steps if self.ema else 0
        counters["scaler"] = self._scaler_state()
        save_tensors(self.folder / LAST, tensors, counters)
        self._saved = time.monotonic()

    def restore(self) -> bool:
        """Go on where the file left off; False where there is none."""
        path = self.folder / LAST
        if not path.is_file():
            return False
        tensors, counters = load_tensors(path)
        self.task.model.load_state_dict(_select_part(tensors, _MODEL))
        self._restore_moments(_select_part(tensors, _OPTIMIZER))
        if self.ema:
            device = self.accelerator.device
            shadow = _select_part(tensors, _EMA)
            self.ema.shadow = {name: value.to(device) for name, value in shadow.items()}
            self.ema.steps = counters["ema_steps"]
        if counters["scaler"] and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(counters["scaler"])
        for name in COUNTERS:
            setattr(self, name, counters[name])
        return True

    def _restore_moments(self, saved: dict[str, Tensor]) -> None:
        parameters = self.parameters()
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in saved.items():
            number, slot = name.split(".")
            laid_out = _lay_out_as(parameters[int(number)], value)
            slots.setdefault(int(number), {})[slot] = laid_out
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})

    def _scaler_state(self) -> dict[str, Any]:
        """Of the scaler of fp16; empty in other precisions."""
        scaler = self.accelerator.scaler
        return {} if scaler is None else dict(scaler.state_dict())


def _select_part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with `prefix`, under their names without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _lay_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """A moment with the strides of its parameter.

    The fused optimizer walks both as memory, and files know no strides.
    """
    if value.shape != parameter.shape:  # the step count
        return value
    return torch.empty_like(parameter, device=value.device, dtype=value.dtype).copy_(value)


def _build_accelerator(config: TrainConfig) -> Accelerator:
    from accelerate import DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState

    # accelerate keeps one precision per process, and one process here trains several models, each
    # with its own.
    AcceleratorState._reset_state()
    ranks.join()
    # A head whose loss weight is 0 gets no gradient, and a teacher without text loss has idle text
    # weights.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(
        mixed_precision=config.precision, cpu=ranks.on_cpu(), kwargs_handlers=[unused]
    )
