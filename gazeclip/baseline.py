"""Stage `baseline`: the student's backbone fine-tuned on labels alone, without gaze, text or teacher. The peer to beat."""

from __future__ import annotations

from dataclasses import asdict

from gazeclip.checkpoint import file_inputs
from gazeclip.cli import say
from gazeclip.context import Context
from gazeclip.plain import train_plain
from gazeclip.run import RESUME, Run, execute


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `baseline/` (weights and config)."""
    context = Context(run)
    stage, student = context.recipe.baseline, context.recipe.student
    if not stage.enabled:
        say("baseline: switched off in the recipe (baseline.enabled)")
        return False
    config = {
        "baseline": asdict(stage),
        "student": [student.backbone, student.drop_path],
        "contract": context.contract.to_dict(),
        "seed": context.recipe.seed,
    }
    inputs = {"data": run.output_hash("data"), **file_inputs(weights=stage.weights)}
    return execute(
        run,
        "baseline",
        config=config,
        inputs=inputs,
        body=lambda folder: train_plain(
            context, stage, "baseline", student.backbone, stage.weights, folder, folder / RESUME, drop_path=student.drop_path
        ),
        say=say,
        force=force,
        distributed=True,
    )
