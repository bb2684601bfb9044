"""The subjects of a run: baseline, teacher and student in PyTorch, every bundle in its engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.measure.subject import TORCH, Subject
from export.facts import model_size_mb
from export.registry import find_target
from export.runner import is_reference, open_runner, wrap_torch
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.gate import KEY as GATE
from gazeclip.bundle.rule import Rule
from gazeclip.console.progress import say
from gazeclip.errors import MissingDependencyError
from gazeclip.run.context import Context
from gazeclip.run.stages import bundle_stage
from gazeclip.stages.load import load_classifier, load_run_student, load_teacher, teacher_function
from runtimes.batches import Infer
from runtimes.engines.registry import ENGINES

PARITY = ("embedding_cosine_min", "prob_max_abs", "sign_agreement")


@dataclass(frozen=True)
class Gathered:
    """A subject and whether timing it means anything (a reference evaluator is no runtime)."""

    subject: Subject
    timed: bool = True


def find_usable_targets(targets: Iterable[str]) -> dict[str, bool]:
    """Export target -> whether a file of it can be run here, by its engine or its reference.

    A report is made from this as well: it says less while an engine is broken, and has to be made
    again when that is mended.
    """
    usable = {}
    for name in targets:
        target = find_target(name)
        engine = ENGINES[target.engine]
        if target.reference is not None and not engine.exists_here():
            usable[name] = not target.missing_packages()
        else:
            usable[name] = engine.load().available() is None
    return usable


def gather_subjects(context: Context, threads: int) -> tuple[list[Gathered], list[str]]:
    """All subjects of a run, and a sentence for each bundle whose engine cannot be used here.

    Raises:
        StageError: what the recipe names is missing; with the stage that makes it.
    """
    torch.set_num_threads(threads)
    found = []
    left_out = []
    if context.recipe.baseline.enabled:
        found.append(Gathered(gather_baseline(context)))
    found += [Gathered(gather_teacher(context)), Gathered(gather_student(context))]
    stage = context.recipe.export
    for precision in stage.precisions:
        for target in stage.targets:
            name = bundle_stage(target, precision)
            context.run.manifest(name)
            try:
                found.append(gather_bundle(context, name, threads))
            except MissingDependencyError as error:
                left_out.append(f"{name} is not judged: {error}")
                say(f"report: {left_out[-1]}")
    return found, left_out


def leave_out_missing_gaze(infer: Infer) -> Infer:
    """Without `gaze` where all angles are NaN: a teacher without gaze encoder has none to judge."""

    def infer_without(images: np.ndarray) -> dict[str, np.ndarray]:
        arrays = infer(images)
        if np.isnan(arrays["gaze"]).all():
            del arrays["gaze"]
        return arrays

    return infer_without


def leave_out_gaze(infer: Infer) -> Infer:
    """Without `gaze`: of a student that learnt none it measures nothing."""

    def infer_without(images: np.ndarray) -> dict[str, np.ndarray]:
        return {name: array for name, array in infer(images).items() if name != "gaze"}

    return infer_without


def gather_baseline(context: Context) -> Subject:
    """The student's backbone with one linear classifier."""
    return Subject(
        name=f"baseline {context.recipe.student.backbone}",
        role="baseline",
        engine=TORCH,
        precision="fp32",
        size_mb=_measure_size_mb(context.run.folder("baseline")),
        infer=wrap_torch(load_classifier(context, "baseline")),
        image_size=context.contract.size,
        notes="The student's backbone fine-tuned on labels alone: no gaze, no text, no teacher.",
    )


def gather_teacher(context: Context) -> Subject:
    """The trained teacher, its class texts encoded once."""
    model = load_teacher(context)
    config = model.config
    tower = config.clip_model if config.tower == "clip" else f"hybrid {config.backbone}"
    return Subject(
        name=f"teacher {tower}",
        role="teacher",
        engine=TORCH,
        precision="fp32",
        size_mb=_measure_size_mb(context.run.folder("teacher")),
        infer=leave_out_missing_gaze(wrap_torch(teacher_function(model))),
        image_size=context.contract.size,
        notes=model.describe(),
    )


def gather_student(context: Context) -> Subject:
    """The float student that everything is exported from."""
    student = load_run_student(context)
    infer = wrap_torch(student)
    return Subject(
        name=f"student {context.recipe.student.backbone}",
        role="student",
        engine=TORCH,
        precision="fp32",
        size_mb=_measure_size_mb(context.run.folder("student")),
        infer=infer if student.head.gaze.is_trained else leave_out_gaze(infer),
        image_size=context.contract.size,
    )


def gather_bundle(context: Context, name: str, threads: int) -> Gathered:
    """The bundle of stage `name` in the engine that it is made for.

    Raises:
        MissingDependencyError: that engine cannot be used here.
    """
    bundle = Bundle.load(context.run.folder(name))
    context.require_size(name, bundle.image_size)
    return open_bundle(bundle, threads)


def open_bundle(bundle: Bundle, threads: int) -> Gathered:
    """A bundle of any run as a subject, see `gather_bundle`."""
    infer, engine = open_runner(bundle, threads)
    note = ""
    timed = not is_reference(engine)
    if not timed:
        title = ENGINES[find_target(bundle.target).engine].title
        note = (
            f"{title} does not exist on this system: evaluated here by the reference evaluator "
            "of the saved program, hence no latency."
        )
        say(f"report: {bundle.folder.name}: {note}")
    subject = Subject(
        name=f"student {bundle.target} {bundle.precision}",
        role="student",
        engine=engine,
        precision=bundle.precision,
        size_mb=model_size_mb(bundle.folder, str(bundle.meta["model_file"])),
        infer=infer if bundle.tells_gaze else leave_out_gaze(infer),
        image_size=bundle.image_size,
        temperature=bundle.temperature["attribution"],
        rule=Rule(bundle.evidence, bundle.operating_point()),
        parity={key: value for key, value in bundle.meta["parity"].items() if key in PARITY},
        notes=note,
        framework=bundle.target,
        gate=bundle.meta.get(GATE),
    )
    return Gathered(subject, timed=timed)


def _measure_size_mb(folder: Path) -> float:
    """Megabytes of a stage's weights."""
    return (folder / "model.safetensors").stat().st_size / 1e6
