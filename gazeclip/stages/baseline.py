"""Stage `baseline`: the student's backbone fine-tuned on labels alone, and what has to be beaten.

No gaze, no text, no teacher.
"""

from __future__ import annotations

from dataclasses import asdict

from gazeclip.console.progress import say
from gazeclip.files.hashes import name_weights_by_content
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import RESUME, Run
from gazeclip.stages.classifier import train_classifier


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
    return execute(
        run,
        "baseline",
        config=config,
        inputs=inputs,
        body=lambda folder: train_classifier(
            context,
            stage,
            "baseline",
            student.backbone,
            stage.weights,
            folder,
            folder / RESUME,
            drop_path=student.drop_path,
        ),
        force=force,
        distributed=True,
    )
