"""Stage `backbone`: each CNN of the hybrid teacher with a linear classifier, by itself.

It comes before the transformer that stands on the CNNs.

What ImageNet weights are for where there are some: from scratch the transformer's gradients never
teach the convolutions the generators' traces, and pretrained ones are only disturbed by them at
first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gazeclip.console.progress import say
from gazeclip.errors import ArtifactError, ConfigError
from gazeclip.files.hashes import name_by_content
from gazeclip.networks.classifier import BackboneClassifier, ClassifierOutput
from gazeclip.recipe.teacher import TeacherConfig
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import RESUME, Run
from gazeclip.run.stages import stage_command
from gazeclip.stages.classifier import train_classifier
from gazeclip.stages.load import load_classifier


class Together(nn.Module):
    """Several classifiers, their outputs averaged: what the CNNs of a teacher say without it."""

    def __init__(self, members: Sequence[BackboneClassifier]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, pixels: Tensor) -> ClassifierOutput:
        """uint8 pixels `(B, 3, S, S)`."""
        found = [member(pixels) for member in self.members]
        return ClassifierOutput(
            *(torch.stack(outputs).mean(0) for outputs in zip(*found, strict=True))
        )


def load_backbone_stage(context: Context) -> Together:
    """The networks that the stage trained, in the order of `TeacherConfig.sizes`, in eval mode.

    Raises:
        ArtifactError: one is another than the recipe's tower has, or saw its images at another
            size.
    """
    model = context.recipe.teacher.model
    weights = name_by_content(model.backbone_weights)
    members = [
        load_classifier(context, "backbone", _part_folder(number))
        for number in range(len(model.sizes))
    ]
    for found, size in zip(members, model.sizes, strict=True):
        wanted = {"backbone": model.backbone, "weights": weights, "input_size": size}
        other = []
        for name, value in wanted.items():
            if found.source[name] != value:
                other.append(f"{name} {found.source[name]}, not {value}")
        if other:
            raise ArtifactError(
                f"stage backbone trained another CNN than teacher.model wants: {', '.join(other)}",
                remedy=f"Run: {stage_command('backbone', context.run.root)}",
            )
    return Together(members).eval()


def _part_folder(number: int) -> str:
    """Where in the stage's folder the CNN of that number lies: the first at its top."""
    return f"extra-{number}" if number else ""


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `backbone/` (weights and config of each CNN), if the recipe wants it.

    Raises:
        ConfigError: the teacher has no CNN.
    """
    context = Context(run)
    stage = context.recipe.backbone
    model = context.recipe.teacher.model
    if not stage.enabled:
        say("backbone: switched off in the recipe")
        return False
    if model.tower != "hybrid":
        raise ConfigError(
            "backbone.enabled trains the CNN of a hybrid teacher",
            remedy="Use teacher.model.tower=hybrid, or backbone.enabled=false",
        )
    config = {
        "backbone": asdict(stage),
        "model": [model.backbone, name_by_content(model.backbone_weights), list(model.sizes)],
        "contract": context.contract.to_dict(),
        "seed": context.recipe.seed,
    }
    inputs = {"data": run.output_hash("data")}
    return execute(
        run,
        "backbone",
        config=config,
        inputs=inputs,
        body=lambda folder: _train_cnns(context, model, folder),
        force=force,
        distributed=True,
    )


def _train_cnns(context: Context, model: TeacherConfig, folder: Path) -> dict[str, Any]:
    found = {}
    for number, size in enumerate(model.sizes):
        part = _part_folder(number)
        key = part or "first"
        found[key] = train_classifier(
            context,
            context.recipe.backbone,
            f"backbone/{number + 1}" if number else "backbone",
            model.backbone,
            model.backbone_weights,
            folder / part,
            folder / RESUME / key,
            input_size=size,
        )
    return found
