"""The one training loop: AdamW, warm-up and cosine, EMA, best checkpoint on val, early stopping,
resume after a kill.

Everything random in a step (order, augmentation, dropout) depends on `(seed, task, epoch, step,
rank)` only, so a run that was killed at any step and resumed ends with the same weights as one that
was not.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from gazeclip.console.progress import progress, say
from gazeclip.data.dataset import Batch
from gazeclip.errors import StageError
from gazeclip.files.atomic import write_json
from gazeclip.files.tensors import load_tensors, save_tensors
from gazeclip.recipe.training import TrainConfig
from gazeclip.system import ranks
from gazeclip.system.memory import keep_freed_memory
from gazeclip.training.schedule import learning_rate_factor
from gazeclip.training.state import BEST, LAST, TrainState
from gazeclip.training.task import Task


def fit(task: Task, config: TrainConfig, folder: Path, seed: int) -> dict[str, Any]:
    """Train and leave `task.model` on the CPU with the weights of its best epoch (EMA weights where
    EMA is on).

    Runs on what accelerate finds: a GPU, several processes started by `accelerate launch` or
        `torchrun`, or the CPU.

    Args:
        folder: keeps the resume state; deleting it means starting over. Several processes share it.

    Returns:
        `{"best": figures of the kept epoch, "history": one entry per epoch}`.

    Raises:
        StageError: the loss became NaN or infinite; the batch is named and the last checkpoint
            stays on disk.
    """
    keep_freed_memory()
    state = TrainState(task, config, folder, seed)
    if state.restore():
        say(
            f"{task.name}: resuming after epoch {state.epoch}"
            + (f" and {state.step} steps" if state.step else "")
        )
    while state.epoch < config.epochs and _epochs_since_best(state) < config.patience:
        _train_epoch(state)
        _judge_epoch(state)
        state.save()
    ranks.barrier()
    state.accelerator.unwrap_model(
        state.model, keep_fp32_wrapper=False
    )  # or the model would go on computing in `precision`
    best, _ = load_tensors(folder / BEST)
    task.model.to("cpu").load_state_dict(best)
    task.model.eval()
    if ranks.is_main():
        write_json(folder / "history.json", state.history)
    return {"best": state.best, "history": state.history}


def _epochs_since_best(state: TrainState) -> int:
    """Epochs since the best one."""
    return state.epoch - int(state.best["epoch"]) if state.best else 0


def _train_epoch(state: TrainState) -> None:
    task, config = state.task, state.config
    available = task.batches_per_epoch()
    group = min(config.accumulate, available)
    steps = available // group
    total, warmup = config.epochs * steps, round(config.warmup_epochs * steps)
    task.model.train()
    label = f"{task.name} {state.epoch + 1}/{config.epochs}"
    source = task.batches(state.epoch, state.step * group)
    todo = range(state.step, steps)
    started, before = time.perf_counter(), state.seconds
    for number in progress(todo, label, total=len(todo)):
        factor = learning_rate_factor(state.epoch * steps + number, total, warmup)
        for slot, lr in zip(state.optimizer.param_groups, state.base_lrs, strict=True):
            slot["lr"] = lr * factor
        _run_step(state, number, itertools.islice(source, group), group)
        state.step, state.seconds = number + 1, before + time.perf_counter() - started
        if state.step < steps:
            state.save_if_due()
    images = state.images * ranks.world_size()
    entry = {
        "loss": state.loss_sum / state.images,
        "images_per_s": images / state.seconds,
        "seconds": state.seconds,
    }
    state.epoch += 1
    state.step = state.images = 0
    state.loss_sum = state.seconds = 0.0
    state.history.append({"epoch": state.epoch, **entry})


def _run_step(state: TrainState, number: int, micro: Iterator[Batch], group: int) -> None:
    """One optimizer step over `group` batches, whose gradients are averaged."""
    accelerator, model = state.accelerator, state.model
    state.optimizer.zero_grad(set_to_none=True)
    for place, batch in enumerate(micro):
        # Gradients travel between processes once per step, not once per batch.
        last = place == group - 1
        # Now that the batch is there: a loader that starts only here, as after a kill, has drawn
        # from the generator.
        torch.manual_seed(_step_seed(state, number, place))
        with contextlib.nullcontext() if last else accelerator.no_sync(model):
            moved = {
                name: value.to(accelerator.device, non_blocking=True)
                for name, value in batch.items()
            }
            loss = state.task.loss(moved, model)["loss"]
            _require_finite(state, loss, batch)
            accelerator.backward(loss / group)
        state.images += len(batch["pixels"])
        state.loss_sum += loss.item() * len(batch["pixels"])
    norm = accelerator.clip_grad_norm_(
        [p for slot in state.optimizer.param_groups for p in slot["params"]], state.config.clip_norm
    )
    # Where a scaler watches over fp16 it skips such a step by itself. Gradients are the same on all
    # ranks by now.
    if accelerator.scaler is None and norm is not None and not bool(torch.isfinite(norm)):
        _stop_training(
            state, "gradient", float(norm), f"the step that ends with {state.task.describe(batch)}"
        )
    state.optimizer.step()
    if state.ema:
        state.ema.update(state.task.model)


def _step_seed(state: TrainState, number: int, place: int) -> int:
    """Of the dropout in one batch."""
    key = (state.seed, state.epoch, number, place, ranks.rank())
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]) >> 1


def _require_finite(state: TrainState, loss: Tensor, batch: Batch) -> None:
    """All processes stop together: one that went on alone would wait for the others for ever."""
    mine = not bool(torch.isfinite(loss))
    anywhere = mine
    if ranks.world_size() > 1:
        flag = torch.tensor(float(mine), device=state.accelerator.device)
        anywhere = bool(state.accelerator.reduce(flag, reduction="sum") > 0)  # type: ignore[operator]
    if anywhere:
        _stop_training(
            state,
            "loss",
            loss.item(),
            state.task.describe(batch) if mine else "a batch of another process",
        )


def _stop_training(state: TrainState, what: str, value: float, where: str) -> NoReturn:
    raise StageError(
        f"{state.task.name}: {what} is {value} in epoch {state.epoch + 1} on {where}",
        remedy=f"Lower the learning rate and run the stage again, from its start; the last good state is {state.folder / LAST}",
    )


def _judge_epoch(state: TrainState) -> None:
    """Evaluate the EMA weights (or the model's own), keep the best, say how it went. Rank 0 does it
    for all.
    """
    figures: list[Any] = [_evaluate_kept(state) if ranks.is_main() else None]
    if ranks.world_size() > 1:
        from accelerate.utils import broadcast_object_list

        broadcast_object_list(figures)
    found = figures[0]
    entry = state.history[-1]
    entry.update(found)
    shown = " ".join(f"{key} {value:.3f}" for key, value in found.items())
    say(
        f"{state.task.name} {state.epoch}: loss {entry['loss']:.3f} | val {shown} | {entry['seconds']:.0f} s, {entry['images_per_s']:.0f} images/s"
    )
    if not state.best or found["score"] > state.best["score"]:
        state.best = {"epoch": state.epoch, **found}


def _evaluate_kept(state: TrainState) -> dict[str, float]:
    """Figures of the weights that would be kept; they are written if they are the best yet."""
    model = state.task.model
    live = {k: v.detach().clone() for k, v in model.state_dict().items()} if state.ema else None
    if state.ema:
        model.load_state_dict(state.ema.shadow)
    model.eval()
    figures = state.task.evaluate()
    if not state.best or figures["score"] > state.best["score"]:
        save_tensors(state.folder / BEST, model.state_dict(), {"epoch": state.epoch, **figures})
    if live is not None:
        model.load_state_dict(live)
    return figures
