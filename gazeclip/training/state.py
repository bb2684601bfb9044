"""What survives a kill: weights, their average, optimizer moments, counters. One file, written
whole.
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

LAST, BEST = "last.safetensors", "best.safetensors"
COUNTERS = ("epoch", "step", "images", "loss_sum", "seconds", "best", "history")


class TrainState:
    """A training in progress. `epoch` epochs are finished and `step` steps of the next one.

    Nothing of a random generator is kept: every step seeds its own, from `(seed, epoch, step,
        rank)`.
    """

    def __init__(self, task: Task, config: TrainConfig, folder: Path, seed: int) -> None:
        self.task, self.config, self.folder, self.seed = task, config, folder, seed
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
        self.ema = (
            Ema(task.model, config.ema_decay) if config.ema_decay > 0 and ranks.is_main() else None
        )
        self.epoch = self.step = self.images = 0
        self.loss_sum = self.seconds = 0.0
        self.best: dict[str, Any] = {}
        self.history: list[dict[str, float]] = []
        self._saved = time.monotonic()

    def save_if_due(self) -> None:
        """Save inside an epoch, at most every `checkpoint_minutes`."""
        if (
            ranks.is_main()
            and time.monotonic() - self._saved >= 60 * self.config.checkpoint_minutes
        ):
            self.save()

    def save(self) -> None:
        """Write everything; the counters travel inside the tensor file, because two files could be
        apart after a kill.
        """
        if not ranks.is_main():
            return
        tensors = {f"model.{k}": v for k, v in self.task.model.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in (self.ema.shadow.items() if self.ema else ())}
        for number, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {
                f"optimizer.{number}.{key}": torch.as_tensor(value) for key, value in slots.items()
            }
        counters = {name: getattr(self, name) for name in COUNTERS}
        counters |= {"ema_steps": self.ema.steps if self.ema else 0, "scaler": self._scaler_state()}
        save_tensors(self.folder / LAST, tensors, counters)
        self._saved = time.monotonic()

    def restore(self) -> bool:
        """Go on where the file left off; False where there is none."""
        path = self.folder / LAST
        if not path.is_file():
            return False
        tensors, counters = load_tensors(path)
        self.task.model.load_state_dict(
            {k[6:]: v for k, v in tensors.items() if k.startswith("model.")}
        )
        slots: dict[int, dict[str, Tensor]] = {}
        parameters = [
            parameter for group in self.optimizer.param_groups for parameter in group["params"]
        ]
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, number, slot = key.split(".")
                slots.setdefault(int(number), {})[slot] = _laid_out_as(
                    parameters[int(number)], value
                )
        self.optimizer.load_state_dict(
            {"state": slots, "param_groups": self.optimizer.state_dict()["param_groups"]}
        )
        if self.ema:
            device = self.accelerator.device
            self.ema.shadow = {
                k[4:]: v.to(device) for k, v in tensors.items() if k.startswith("ema.")
            }
            self.ema.steps = counters["ema_steps"]
        if counters["scaler"] and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(counters["scaler"])
        for name in COUNTERS:
            setattr(self, name, counters[name])
        return True

    def _scaler_state(self) -> dict[str, Any]:
        return (
            dict(self.accelerator.scaler.state_dict())
            if self.accelerator.scaler is not None
            else {}
        )


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """A moment with the strides of its parameter: the fused optimizer walks both as memory, and
    files know no strides.
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
