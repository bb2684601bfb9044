"""The one training loop: AdamW, warm-up and cosine, EMA, best checkpoint on val, early stopping, resume after a kill.

Everything random in an epoch (order, augmentation, dropout) depends on `(seed, epoch)` only, so a run that was killed and
resumed at its last finished epoch ends with the same weights as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gazeclip.checkpoint import load_tensors, read_json, save_tensors, write_json
from gazeclip.cli import progress, say
from gazeclip.data.dataset import Batch
from gazeclip.errors import StageError
from gazeclip.recipe import TrainConfig


class Task(Protocol):
    """What is trained; the loop knows nothing of faces."""

    name: str

    @property
    def model(self) -> nn.Module:
        """What is optimised and saved."""

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        """Groups for AdamW, each with its own `lr`."""

    def batches(self, epoch: int) -> Iterator[Batch]:
        """One epoch."""

    def batches_per_epoch(self) -> int:
        """How many batches `batches` yields."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Scalar terms; `loss` is what is minimised."""

    def evaluate(self) -> dict[str, float]:
        """Figures on val of `model` as it is now; `score` decides which epoch is kept (higher is better)."""

    def describe(self, batch: Batch) -> str:
        """Names a batch in an error message."""


class Ema:
    """Exponential moving average of parameters and buffers, with the usual ramp for short trainings."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.shadow = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model by one step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.shadow[name].lerp_(value, 1.0 - decay)
            else:
                self.shadow[name].copy_(value)


def split_decay(module: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Two AdamW groups of a module's trainable parameters: matrices decay; gains, biases and scalars do not."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "lr": lr, "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "lr": lr, "weight_decay": 0.0},
    ]


def learning_rate_factor(step: int, total: int, warmup: int) -> float:
    """Linear warm-up, then cosine to 1% of the peak."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(total - warmup, 1)
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))


class _State:
    """What survives a kill: weights, EMA, optimizer moments, counters."""

    def __init__(self, task: Task, config: TrainConfig, folder: Path, seed: int) -> None:
        self.task, self.folder, self.seed = task, folder, seed
        task.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        groups = [group for group in task.parameter_groups(config) if group["params"]]
        self.optimizer = torch.optim.AdamW(groups)
        self.base_lrs = [group["lr"] for group in self.optimizer.param_groups]
        self.ema = Ema(task.model, config.ema_decay) if config.ema_decay > 0 else None
        self.epoch = 0
        self.best: dict[str, Any] = {}
        self.history: list[dict[str, float]] = []

    def save(self) -> None:
        tensors = {f"model.{k}": v for k, v in self.task.model.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in (self.ema.shadow.items() if self.ema else ())}
        for number, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{key}": torch.as_tensor(value) for key, value in slots.items()}
        counters = {"epoch": self.epoch, "best": self.best, "history": self.history, "ema_steps": self.ema.steps if self.ema else 0}
        # The counters travel inside the tensor file: two files could be one epoch apart after a kill.
        save_tensors(self.folder / "last.safetensors", tensors, counters)

    def restore(self) -> bool:
        path = self.folder / "last.safetensors"
        if not path.is_file():
            return False
        tensors, counters = load_tensors(path)
        self.task.model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, number, slot = key.split(".")
                slots.setdefault(int(number), {})[slot] = value
        self.optimizer.load_state_dict({"state": slots, "param_groups": self.optimizer.state_dict()["param_groups"]})
        if self.ema:
            self.ema.shadow = {k[4:]: v for k, v in tensors.items() if k.startswith("ema.")}
            self.ema.steps = counters["ema_steps"]
        self.epoch, self.best, self.history = counters["epoch"], counters["best"], counters["history"]
        return True


def fit(task: Task, config: TrainConfig, folder: Path, seed: int) -> dict[str, Any]:
    """Train and leave `task.model` with the weights of its best epoch (EMA weights where EMA is on).

    Args:
        folder: keeps the resume state; deleting it means starting over.

    Returns:
        `{"best": figures of the kept epoch, "history": one entry per epoch}`.

    Raises:
        StageError: the loss became NaN or infinite; the batch is named and the last good epoch stays on disk.
    """
    state = _State(task, config, folder, seed)
    if state.restore():
        say(f"{task.name}: resuming after epoch {state.epoch}")
    stale = 0 if not state.best else state.epoch - int(state.best["epoch"])
    while state.epoch < config.epochs and stale < config.patience:
        _train_epoch(state, config)
        stale = 0 if _judge(state) else stale + 1
        state.save()
    best, _ = load_tensors(folder / "best.safetensors")
    task.model.load_state_dict(best)
    task.model.eval()
    write_json(folder / "history.json", state.history)
    return {"best": state.best, "history": state.history}


def _train_epoch(state: _State, config: TrainConfig) -> None:
    task = state.task
    steps = task.batches_per_epoch()
    total, warmup = config.epochs * steps, round(config.warmup_epochs * steps)
    torch.manual_seed(state.seed * 100_003 + state.epoch)
    task.model.train()
    started, images, sums = time.perf_counter(), 0, 0.0
    label = f"{task.name} {state.epoch + 1}/{config.epochs}"
    for number, batch in enumerate(progress(task.batches(state.epoch), label, total=steps)):
        factor = learning_rate_factor(state.epoch * steps + number, total, warmup)
        for group, lr in zip(state.optimizer.param_groups, state.base_lrs, strict=True):
            group["lr"] = lr * factor
        loss = task.loss(batch)["loss"]
        if not torch.isfinite(loss):
            raise StageError(
                f"{task.name}: loss is {loss.item()} in epoch {state.epoch + 1} on {task.describe(batch)}",
                remedy="Lower the learning rate; the last finished epoch is kept, so running again resumes there",
            )
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for g in state.optimizer.param_groups for p in g["params"]], config.clip_norm)
        state.optimizer.step()
        if state.ema:
            state.ema.update(task.model)
        images += len(batch["pixels"])
        sums += loss.item() * len(batch["pixels"])
    seconds = time.perf_counter() - started
    state.epoch += 1
    state.history.append({"epoch": state.epoch, "loss": sums / images, "images_per_s": images / seconds, "seconds": seconds})


def _judge(state: _State) -> bool:
    """Evaluate (the EMA weights if there are any), keep the best, say how it went; whether this epoch is the best yet."""
    task = state.task
    live = {k: v.detach().clone() for k, v in task.model.state_dict().items()} if state.ema else None
    if state.ema:
        task.model.load_state_dict(state.ema.shadow)
    task.model.eval()
    figures = task.evaluate()
    entry = state.history[-1]
    entry.update(figures)
    shown = " ".join(f"{key} {value:.3f}" for key, value in figures.items())
    say(f"{task.name} {state.epoch}: loss {entry['loss']:.3f} | val {shown} | {entry['seconds']:.0f} s, {entry['images_per_s']:.0f} images/s")
    better = not state.best or figures["score"] > state.best["score"]
    if better:
        state.best = {"epoch": state.epoch, **figures}
        save_tensors(state.folder / "best.safetensors", task.model.state_dict(), state.best)
    if live is not None:
        task.model.load_state_dict(live)
    return better


def history(folder: Path) -> list[dict[str, float]]:
    """The per-epoch figures that `fit` left in a folder."""
    return list(read_json(folder / "history.json"))
