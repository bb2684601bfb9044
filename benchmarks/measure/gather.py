"""The subjects of a run: plain backbone, teacher and student in PyTorch, and every exported bundle
in its engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure.subject import TORCH, Subject
from export.registry import find_target
from export.runner import is_reference, open_runner
from export.stage import model_size_mb
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import OUTPUTS
from gazeclip.console.progress import say
from gazeclip.errors import MissingDependencyError
from gazeclip.run.context import Context
from gazeclip.run.stages import bundle_stage
from gazeclip.stages.load import load_classifier, load_run_student, load_teacher, teacher_function
from runtimes.batches import Infer
from runtimes.engines.registry import ENGINES


@dataclass(frozen=True)
class Gathered:
    """A subject and whether timing it means anything (a reference evaluator is no runtime)."""

    subject: Subject
    timed: bool = True


def gather(context: Context, threads: int, left_out: list[str]) -> list[Gathered]:
    """All subjects of a run that exist; what the recipe names and is missing is an error of the
    stage that makes it.

    Args:
        left_out: takes a sentence for each bundle whose engine cannot be used here; the others are
            judged all the same.
    """
    torch.set_num_threads(threads)
    found = [Gathered(_teacher(context)), Gathered(_student(context))]
    if context.recipe.baseline.enabled:
        found.insert(0, Gathered(_baseline(context)))
    stage = context.recipe.export
    for precision in stage.precisions:
        for target in stage.targets:
            name = bundle_stage(target, precision)
            context.run.manifest(name)
            try:
                found.append(_bundle(context, name, threads))
            except MissingDependencyError as error:
                left_out.append(f"{name} is not judged: {error}")
                say(f"report: {left_out[-1]}")
    return found


def torch_infer(model: Callable[[torch.Tensor], Any]) -> Infer:
    """uint8 `(B, S, S, 3)` -> named float32 outputs of a torch model, in inference mode."""

    def infer(images: np.ndarray) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            output = model(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous())
        arrays = {}
        for name in OUTPUTS:
            if hasattr(output, name):
                arrays[name] = getattr(output, name).float().numpy()
        # A teacher without gaze encoder gives NaN angles: it has none to judge.
        if "gaze" in arrays and np.isnan(arrays["gaze"]).all():
            del arrays["gaze"]
        return arrays

    return infer


def _weights_mb(folder: Path) -> float:
    return (folder / "model.safetensors").stat().st_size / 1e6


def _baseline(context: Context) -> Subject:
    name = f"plain {context.recipe.student.backbone}"
    size, folder = context.contract.size, context.run.folder("baseline")
    note = "The student's backbone fine-tuned on labels alone: no gaze, no text, no teacher."
    return Subject(
        name,
        "peer",
        TORCH,
        "fp32",
        _weights_mb(folder),
        torch_infer(load_classifier(context, "baseline")),
        size,
        notes=note,
    )


def _teacher(context: Context) -> Subject:
    model = load_teacher(context)
    folder = context.run.folder("teacher")
    infer = torch_infer(teacher_function(model))
    config = model.config
    name = f"teacher {config.clip_model if config.tower == 'clip' else f'hybrid {config.backbone}'}"
    return Subject(
        name,
        "teacher",
        TORCH,
        "fp32",
        _weights_mb(folder),
        infer,
        context.contract.size,
        notes=model.describe(),
    )


def _student(context: Context) -> Subject:
    folder = context.run.folder("student")
    infer = torch_infer(load_run_student(context))
    return Subject(
        f"student {context.recipe.student.backbone}",
        "student",
        TORCH,
        "fp32",
        _weights_mb(folder),
        infer,
        context.contract.size,
    )


def _bundle(context: Context, name: str, threads: int) -> Gathered:
    folder, size = context.run.folder(name), context.contract.size
    bundle = Bundle.load(folder)
    context.require_size(name, bundle.image_size)
    infer, engine = open_runner(bundle, threads)
    note = ""
    timed = not is_reference(engine)
    if not timed:
        title = ENGINES[find_target(bundle.target).engine].title
        note = (
            f"{title} does not exist on this system: evaluated here by the reference evaluator "
            "of the saved program, hence no latency."
        )
        say(f"report: {folder.name}: {note}")
    parity = {
        key: bundle.meta["parity"][key]
        for key in ("embedding_cosine_min", "prob_max_abs", "verdict_agreement")
    }
    subject = Subject(
        f"student {bundle.target} {bundle.precision}",
        "student",
        engine,
        bundle.precision,  # type: ignore[arg-type]
        model_size_mb(folder, str(bundle.meta["model_file"])),
        infer,
        size,
        temperature=bundle.temperature,
        parity=parity,
        notes=note,
    )
    return Gathered(subject, timed=timed)
