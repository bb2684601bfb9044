"""Stage `baseline`: the student's backbone fine-tuned on labels alone, and what has to be beaten.

No gaze, no text, no teacher.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from gazeclip.console.progress import say
from gazeclip.errors import Fault, raise_first
from gazeclip.files.hashes import name_weights_by_content
from gazeclip.recipe.stages import FROM_BACKBONE, Recipe
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import RESUME, Run
from gazeclip.stages.backbone import load_backbone_stage
from gazeclip.stages.classifier import train_classifier


def find_start_faults(recipe: Recipe) -> list[Fault]:
    """Why the baseline cannot go on from what stage `backbone` trains."""
    if recipe.baseline.weights != FROM_BACKBONE:
        return []
    model = recipe.teacher.model
    student = recipe.student.backbone
    if not recipe.backbone.enabled:
        what = "baseline.weights=backbone starts from stage backbone, which is off"
        return [Fault(what, "Use backbone.enabled=true, or other weights")]
    if (model.backbone, model.input_size) == (student, 0):
        return []
    size = f" at {model.input_size} px" if model.input_size else ""
    what = (
        f"baseline.weights=backbone needs a stage backbone that trains {student} on images as they"
        f" are, not {model.backbone}{size}"
    )
    return [Fault(what, "Use other weights, or the same backbone in both")]


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `baseline/` (weights and config)."""
    context = Context(run)
    stage = context.recipe.baseline
    student = context.recipe.student
    if not stage.enabled:
        say("baseline: switched off in the recipe (baseline.enabled)")
        return False
    config = {
        "baseline": name_weights_by_content(asdict(stage)),
        "student": [student.backbone, student.drop_path],
        "contract": context.contract.to_dict(),
        "seed": context.recipe.seed,
    }
    inputs = {"data": run.output_hash("data")}
    raise_first(find_start_faults(context.recipe))
    if stage.weights == FROM_BACKBONE:
        inputs["backbone"] = run.output_hash("backbone")
    return execute(
        run,
        "baseline",
        config=config,
        inputs=inputs,
        body=lambda folder: _train(context, folder),
        force=force,
        distributed=True,
    )


def _train(context: Context, folder: Path) -> dict[str, Any]:
    stage = context.recipe.baseline
    student = context.recipe.student
    start: Any = None  # a list of modules does not keep their kind
    if stage.weights == FROM_BACKBONE:
        start = load_backbone_stage(context).members[0]
    return train_classifier(
        context,
        stage,
        "baseline",
        student.backbone,
        stage.weights,
        folder,
        folder / RESUME,
        start,
        drop_path=student.drop_path,
    )
