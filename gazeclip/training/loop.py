"""The one training loop, from a fresh model to the weights of its best epoch.

AdamW, warm-up and cosine, EMA, best checkpoint on val, early stopping, resume after a kill.

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
    """Train and leave `task.model` on the CPU with the weights of its best epoch.

    Those are the EMA weights where EMA is on. Runs on what accelerate finds: a GPU, several
    processes started by `accelerate launch` or `torchrun`, or the CPU.

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
        within = f" and {state.step} steps" if state.step else ""
        say(f"{task.name}: resuming after epoch {state.epoch}{within}")
    while state.epoch < config.epochs and _epochs_since_best(state) < config.patience:
        _train_epoch(state)
        _judge_epoch(state)
        state.save()
    ranks.barrier()
    # Or the model would go on computing in `precision`.
    state.accelerator.unwrap_model(state.model, keep_fp32_wrapper=False)
    best, _ = load_tensors(folder / BEST)
    task.model.to("cpu").load_state_dict(best)
    task.model.eval()
    if ranks.is_main():
        write_json(folder / "history.json", state.history)
    return {"best": state.best, "history": state.history}


def _epochs_since_best(state: TrainState) -> int:
    """How many finished epochs were no better than the best one."""
    if not state.best:
        return 0
    return state.epoch - int(state.best["epoch"])


def _train_epoch(state: TrainState) -> None:
    """All steps of one epoch, or those that a killed attempt had left of it."""
    task = state.task
    config = state.config
    available = task.batches_per_epoch()
    group = min(config.accumulate, available)
    steps = available // group
    total = config.epochs * steps
    warmup = round(config.warmup_epochs * steps)
    task.model.train()
    label = f"{task.name} {state.epoch + 1}/{config.epochs}"
    source = task.batches(state.epoch, state.step * group)
    todo = range(state.step, steps)
    before = state.seconds
    started = time.perf_counter()
    for number in progress(todo, label, total=len(todo)):
        factor = learning_rate_factor(state.epoch * steps + number, total, warmup)
        for slot, lr in zip(state.optimizer.param_groups, state.base_lrs, strict=True):
            slot["lr"] = lr * factor
        _run_step(state, number, itertools.islice(source, group), group)
        state.step = number + 1
        state.seconds = before + time.perf_counter() - started
        if state.step < steps:
            state.save_if_due()
    state.close_epoch()


def _run_step(state: TrainState, number: int, micro: Iterator[Batch], group: int) -> None:
    """One optimizer step over `group` batches, whose gradients are averaged."""
    accelerator = state.accelerator
    state.optimizer.zero_grad(set_to_none=True)
    latest: Batch = {}
    for place, batch in enumerate(micro):
        latest = batch
        # Gradients travel between processes once per step, not once per batch.
        is_last = place == group - 1
        # Now that the batch is there: a loader that starts only here, as after a kill, has drawn
        # from the generator.
        torch.manual_seed(_step_seed(state, number, place))
        with contextlib.nullcontext() if is_last else accelerator.no_sync(state.model):
            moved = {
                name: value.to(accelerator.device, non_blocking=True)
                for name, value in batch.items()
            }
            loss = state.task.loss(moved, state.model)["loss"]
            _require_finite(state, loss, batch)
            accelerator.backward(loss / group)  # the gradients of a step are their mean
        state.images += len(batch["pixels"])
        state.loss_sum += loss.item() * len(batch["pixels"])
    norm = accelerator.clip_grad_norm_(state.parameters(), state.config.clip_norm)
    # Where a scaler watches over fp16 it skips such a step by itself. Gradients are the same on all
    # ranks by now.
    if accelerator.scaler is None and norm is not None and not bool(torch.isfinite(norm)):
        where = f"the step that ends with {state.task.describe(latest)}"
        _stop_training(state, "gradient", float(norm), where)
    state.optimizer.step()
    if state.ema:
        state.ema.update(state.task.model)


def _step_seed(state: TrainState, number: int, place: int) -> int:
    """Of the dropout in one batch: another one for every batch of every process."""
    key = (state.seed, state.epoch, number, place, ranks.rank())
    drawn = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    return drawn >> 1  # torch takes seeds of 63 bits


def _require_finite(state: TrainState, loss: Tensor, batch: Batch) -> None:
    """All processes stop together: one that went on alone would wait for the others for ever."""
    is_mine = not bool(torch.isfinite(loss))
    is_anywhere = is_mine
    if ranks.world_size() > 1:
        flag = torch.tensor(float(is_mine), device=state.accelerator.device)
        found: Any = state.accelerator.reduce(flag, reduction="sum")
        is_anywhere = bool(found > 0)
    if is_anywhere:
        where = state.task.describe(batch) if is_mine else "a batch of another process"
        _stop_training(state, "loss", loss.item(), where)


def _stop_training(state: TrainState, what: str, value: float, where: str) -> NoReturn:
    raise StageError(
        f"{state.task.name}: {what} is {value} in epoch {state.epoch + 1} on {where}",
        remedy="Lower the learning rate and run the stage again, from its start;"
        f" the last good state is {state.folder / LAST}",
    )


def _judge_epoch(state: TrainState) -> None:
    """Evaluate the EMA weights (or the model's own), keep the best, say how it went.

    Rank 0 does it for all.
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
        f"{state.task.name} {state.epoch}: loss {entry['loss']:.3f} | val {shown}"
        f" | {entry['seconds']:.0f} s, {entry['images_per_s']:.0f} images/s"
    )
    if state.is_better(found):
        state.best = {"epoch": state.epoch, **found}


def _evaluate_kept(state: TrainState) -> dict[str, float]:
    """Figures of the weights that would be kept; they are written if they are the best yet."""
    model = state.task.model
    live: dict[str, Tensor] = {}
    if state.ema:  # the average is judged in the model's place
        live = {name: value.detach().clone() for name, value in model.state_dict().items()}
        model.load_state_dict(state.ema.shadow)
    model.eval()
    figures = state.task.evaluate()
    if state.is_better(figures):
        save_tensors(state.folder / BEST, model.state_dict(), {"epoch": state.epoch, **figures})
    if live:
        model.load_state_dict(live)
    return figures
