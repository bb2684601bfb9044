"""Train and score every variant with every seed; what is done already is skipped, as in any run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gazeclip.commands.pipeline import prepare_run, run_stage
from gazeclip.commands.preflight import preflight_teacher
from gazeclip.console.progress import say
from gazeclip.files.hashes import fingerprint
from gazeclip.recipe.load import load_recipe
from gazeclip.recipe.stages import Recipe
from gazeclip.run.context import Context
from gazeclip.run.folder import Run
from gazeclip.run.lock import lock_run
from gazeclip.stages import teacher
from gazeclip.studies.ablation.grid import FULL, Variant
from gazeclip.studies.ablation.scores import (
    Scores,
    score_backbones,
    score_gaze_alone,
    score_teacher,
)
from gazeclip.taxonomy import Taxonomy


@dataclass(frozen=True)
class Entry:
    """What one row shows of one seed: a trained teacher's scores, or a control's."""

    variant: str
    seed: int
    taxonomy: Taxonomy
    classes: tuple[str, ...]
    scores: Scores


def run_grid(
    recipe: Path,
    overrides: Sequence[str],
    variants: Sequence[Variant],
    seeds: Sequence[int],
    out: Path,
) -> list[Entry]:
    """One entry per variant and seed, and one per seed for each control that the recipe can have.

    All variants train on the same images, prepared once; a seed changes initialisation, order and
    augmentation.

    Raises:
        ConfigError: a variant that the recipe cannot have; nothing has been trained then.
    """
    plans = [
        (variant, seed, _load_variant(recipe, overrides, variant, seed))
        for seed in seeds
        for variant in variants
    ]
    for _, _, plan in plans:
        preflight_teacher(plan)
    found: list[Entry] = []
    first: dict[str, Run] = {}
    with lock_run(Run(out / "data")):  # one grid at a time: its runs share more than their data
        data = prepare_run(plans[0][2], out / "data")
        run_stage(data, "data")
        manifest = str(Context(data).manifest.path.absolute())
        for number, (variant, seed, plan) in enumerate(plans):
            say(f"ablation {number + 1} of {len(plans)}: {variant.name} (seed {seed})")
            own = replace(plan, data=replace(plan.data, manifest=manifest))
            found += _train_variant(
                variant, own, Run(out / f"{variant.name}-seed{seed}"), first, data.root
            )
    return found


def _train_variant(
    variant: Variant, plan: Recipe, run: Run, first: dict[str, Run], kept: Path
) -> list[Entry]:
    """The variant's entry, and for `full` those of the controls.

    Args:
        first: which run has trained a CNN by itself, by `_fingerprint_cnn`.
        kept: where what frozen encoders and CNNs give is kept for all.
    """
    gaze_features = kept / "gaze_features"
    cnn_features = kept / "cnn_features"
    with lock_run(run):
        prepare_run(plan, run.root)
        run_stage(run, "data")
        if plan.backbone.enabled:
            _take_backbone(run, first.setdefault(_fingerprint_cnn(plan), run))
            run_stage(run, "backbone")
        teacher.run_stage(run, gaze_features=gaze_features, cnn_features=cnn_features)
        scores = {variant.name: score_teacher(run, gaze_features, cnn_features)}
        if variant.name == FULL and plan.backbone.enabled:
            scores |= score_backbones(run)
        if variant.name == FULL and plan.teacher.model.gaze.kind != "none":
            scores |= score_gaze_alone(run, gaze_features)
        context = Context(run)
        return [
            Entry(name, plan.seed, context.taxonomy, context.classes, of)
            for name, of in scores.items()
        ]


def _fingerprint_cnn(plan: Recipe) -> str:
    """What tells the CNN that a plan wants trained by itself from another's.

    The data are not part of it: they are the same for the whole grid.
    """
    model = plan.teacher.model
    return fingerprint(
        [
            plan.seed,
            asdict(plan.backbone),
            plan.data.image_size,
            model.backbone,
            model.backbone_weights,
            model.sizes,
        ]
    )


def _take_backbone(run: Run, first: Run) -> None:
    """Copy the CNN of the first run that wants this one."""
    source = first.folder("backbone")
    target = run.folder("backbone")
    if run is first:
        return
    if run.is_done("backbone"):
        mine = run.manifest("backbone")["fingerprint"]
        if mine == first.manifest("backbone")["fingerprint"]:
            return
    # Copied beside it first: a kill never leaves half a CNN under the stage's name.
    made = run.root / ".backbone.copy"
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(source, made)
    shutil.rmtree(target, ignore_errors=True)
    made.rename(target)


def _load_variant(path: Path, overrides: Sequence[str], variant: Variant, seed: int) -> Recipe:
    return load_recipe(path, overrides, then=[*variant.overrides, f"seed={seed}"])
