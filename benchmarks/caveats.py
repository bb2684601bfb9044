"""What must be read beside a report's figures."""

from __future__ import annotations

from gazeclip.recipe.stages import Recipe
from gazeclip.run.context import Context
from gazeclip.taxonomy import REAL


def list_caveats(context: Context) -> list[str]:
    """Sentences on data, training and thresholds, from the run's own facts."""
    caveats = [
        "The teacher is a reconstruction of GazeCLIP from its abstract; "
        "none of the paper's figures are claimed.",
        f"One seed ({context.recipe.seed}). Intervals are over persons only, not over trainings.",
    ]
    if context.recipe.data.manifest is None:
        caveats.append(
            "Procedural faces: the figures show that the pipeline works, "
            "and say nothing about real forgeries."
        )
        probe = context.run.manifest("data")["metrics"]["linear_probe"]
        caveats.append(
            "A linear probe on the raw pixels reaches a detection AUC of "
            f"{probe['test_auc']:.3f} on test and {probe['test_unseen_auc']:.3f} on test_unseen."
        )
    else:
        caveats.append(
            "Sources that differ in composition, resolution or compression offer shortcuts; "
            "part of any score may be such a one."
        )
    if context.recipe.baseline.enabled:
        caveats.append(describe_budget(context.recipe))
    caveats.append(_describe_thresholds(context))
    return caveats


def _describe_thresholds(context: Context) -> str:
    """What the thresholds rest on, and that they promise nothing of unlike forgeries."""
    labels = context.manifest.labels("calibration")
    reals = sum(label == REAL for label in labels)
    return (
        f"Thresholds rest on {reals} real and {len(labels) - reals} forged calibration images. "
        "Rates that are promised of them hold for images like these; generators that none of them "
        "comes from may be missed far more often."
    )


def describe_budget(recipe: Recipe) -> str:
    """How long each network was trained: a baseline that got less would be no baseline."""
    inherited = recipe.inherited_epochs
    distilled = recipe.student.train.epochs
    before = f"{inherited} that it starts from, alone or in the teacher, and " if inherited else ""
    own = recipe.baseline.train.epochs
    start = ""
    if shared := recipe.baseline_epochs - own:
        start = f" ({shared} of stage backbone, where the teacher starts too, and {own} more)"
    return (
        f"Training, epochs of the backbone: baseline {recipe.baseline_epochs}{start}; "
        f"student {inherited + distilled} ({before}{distilled} of distillation), "
        f"and {recipe.quantize.train.epochs} more with quantizers for INT8."
    )
