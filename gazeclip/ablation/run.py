"""Train and score every variant with every seed; what is done already is skipped, as in any run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gazeclip import metrics
from gazeclip.ablation.grid import Variant
from gazeclip.checkpoint import read_json, write_json
from gazeclip.cli import say
from gazeclip.context import Context
from gazeclip.pipeline import prepare_run, run_stage
from gazeclip.preflight import preflight
from gazeclip.protocol_command import measure
from gazeclip.recipe import Recipe, load_recipe
from gazeclip.run import Run, lock

RESULT = "ablation.json"
SCORES = ("auc", "attribution_macro_acc", "family_macro_acc")
Figures = dict[str, Any]


def run_grid(recipe: Path, overrides: Sequence[str], variants: Sequence[Variant], seeds: Sequence[int], out: Path) -> list[Figures]:
    """One entry per variant and seed: `{"variant", "seed", "P1": {...}, "P2": ..., "shuffled": {...} or None}`.

    All variants train on the same images, prepared once; a seed changes initialisation, order and augmentation.

    Raises:
        ConfigError: a variant that the recipe cannot have; nothing has been trained then.
    """
    plans = [(variant, seed, _recipe(recipe, overrides, variant, seed)) for seed in seeds for variant in variants]
    for _, _, plan in plans:
        preflight(plan)
    data = prepare_run(plans[0][2], out / "data")
    run_stage(data, "data")
    manifest = str(Context(data).manifest.path.absolute())
    found = []
    for number, (variant, seed, plan) in enumerate(plans):
        say(f"ablation {number + 1} of {len(plans)}: {variant.name} (seed {seed})")
        run = Run(out / f"{variant.name}-seed{seed}")
        with lock(run):
            prepare_run(replace(plan, data=replace(plan.data, manifest=manifest)), run.root)
            run_stage(run, "data")
            run_stage(run, "teacher")
            found.append({"variant": variant.name, "seed": seed, **_scored(run)})
    return found


def _recipe(path: Path, overrides: Sequence[str], variant: Variant, seed: int) -> Recipe:
    return load_recipe(path, [*overrides, *variant.overrides, f"seed={seed}", "report.bootstrap=0"])


def _scored(run: Run) -> Figures:
    """Figures of the run's teacher, kept beside it until it changes."""
    path, model = run.root / RESULT, run.output_hash("teacher")
    if path.is_file():
        kept = read_json(path)
        if kept.get("model") == model:
            return dict(kept["figures"])
    context = Context(run)
    protocols = measure(context, "teacher")["protocols"]
    figures: Figures = {name: {key: entry[key] for key in SCORES} for name, entry in protocols.items()}
    figures["shuffled"] = shuffled_gaze(context)
    write_json(path, {"model": model, "figures": figures})
    return figures


def shuffled_gaze(context: Context) -> Figures | None:
    """AUC and macro attribution on `test` when every face gets the gaze of another one; None for a teacher without gaze.

    A teacher whose figures do not fall here does not use the gaze.
    """
    import torch

    from gazeclip.data.dataset import Batch, FaceDataset, batches, plain_keys
    from gazeclip.teacher.gaze import GazeFeatures
    from gazeclip.teacher.stage import load_teacher

    model = load_teacher(context)
    if model.gaze_encoder is None:
        return None
    dataset = FaceDataset(context.manifest, "test", context.contract, context.classes)
    order = torch.from_numpy(np.random.default_rng(context.recipe.seed).permutation(len(dataset)))

    def images() -> Iterator[Batch]:  # decoded twice rather than kept
        return batches(dataset, plain_keys(len(dataset)), 64, context.recipe.data.workers)

    with torch.inference_mode():
        text = model.encode_text()[0]
        gaze = (model.encode_gaze(batch["pixels"]) for batch in images())
        mixed = GazeFeatures.cat([part for part in gaze if part is not None]).select(order)
        parts = [model(batch["pixels"], mixed.select(batch["index"]), text) for batch in images()]
    fake_logit = torch.cat([part.fake_logit for part in parts])[:, 0].numpy()
    predicted = torch.cat([part.logits for part in parts]).argmax(1).numpy()
    targets = dataset.targets
    return {"auc": metrics.roc_auc(targets != 0, fake_logit), "attribution_macro_acc": metrics.macro_accuracy(targets, predicted)}
