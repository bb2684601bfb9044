"""Stage `quantized`: calibrate INT8 ranges, then go on distilling with them in place (QAT).

The ranges come from the calibration split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill.student import DistillTask
from gazeclip.console.progress import say
from gazeclip.data.augment import Augmentation, draw_augmentation
from gazeclip.data.dataset import PLAIN, FaceDataset, batches, epoch_keys
from gazeclip.files.tensors import load_tensors, save_tensors
from gazeclip.networks.student import Student
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run
from gazeclip.stages.load import load_run_student
from gazeclip.training import fit
from quantize.encoder import count_quantizers, load_quantized, quantize_encoder, save_quantized
from quantize.nncf_setup import load_quantizers


class QatTask(DistillTask):
    """Distillation through fake quantizers.

    Batch norms are folded already, so the encoder stays in eval mode.
    """

    def loss(self, batch: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
        model.eval()
        return super().loss(batch, model)


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `quantized/`: NNCF state and config, and the head that was tuned with it."""
    context = Context(run)
    stage = context.recipe.quantize
    config = {
        "quantize": asdict(stage),
        "contract": context.contract.to_dict(),
        "seed": context.recipe.seed,
    }
    inputs = {name: run.output_hash(name) for name in ("data", "cache", "student")}
    return execute(
        run,
        "quantized",
        config=config,
        inputs=inputs,
        body=lambda f: _write_quantized(context, f),
        force=force,
    )


def _write_quantized(context: Context, folder: Path) -> dict[str, Any]:
    stage = context.recipe.quantize
    slower = load_quantizers()
    if slower is not None:
        say(f"quantize: {slower}")
    student = load_run_student(context)
    encoder = quantize_encoder(
        student.encoder,
        calibration_batches(context, student),
        overflow_fix=stage.overflow_fix,
        fast_bias_correction=stage.fast_bias_correction,
        subset_size=stage.calibration_images,
    )
    counts = count_quantizers(encoder)
    told = ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in counts.items())
    say(f"quantize: {told}")
    model = student.with_encoder(encoder)
    task = QatTask(context, model, stage.train, stage.loss, "quantize")
    before = task.evaluate()
    told = " ".join(f"{name} {value:.3f}" for name, value in before.items())
    say(f"quantize: after calibration, before training: val {told}")
    calibrated = {name: value.clone() for name, value in model.state_dict().items()}
    result = fit(task, stage.train, folder / "resume", context.recipe.seed)
    if result["best"]["score"] < before["score"]:
        say(
            f"quantize: training did not help on val ({result['best']['score']:.3f} after "
            f"{before['score']:.3f}): the calibrated model is kept"
        )
        model.load_state_dict(calibrated)
    save_quantized(folder, model.encoder, image_size=context.contract.size)
    save_tensors(folder / "head.safetensors", model.head.state_dict(), {"kind": "head"})
    kept = max(before, result["best"], key=lambda figures: figures["score"])
    return {"val": kept, "val_after_calibration": before, "history": result["history"], **counts}


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


def load_quantized_student(context: Context) -> Student:
    """The run's student with its quantized encoder and tuned head, in eval mode.

    Raises:
        StageError: the run has no quantized student.
    """
    run = context.run
    run.manifest("quantized")
    student = load_run_student(context)
    encoder = load_quantized(run.folder("quantized"), student.encoder)
    model = student.with_encoder(encoder)
    model.head.load_state_dict(load_tensors(run.folder("quantized") / "head.safetensors")[0])
    return model.eval()
