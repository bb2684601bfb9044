"""The trained networks of a run, in eval mode."""

from __future__ import annotations

from typing import Any

import torch

from gazeclip.errors import ArtifactError
from gazeclip.files.atomic import read_json
from gazeclip.files.tensors import load_tensors
from gazeclip.networks.classifier import BackboneClassifier
from gazeclip.networks.student import Student, load_student
from gazeclip.run.context import Context
from gazeclip.run.stages import stage_command
from gazeclip.teacher.model import GazeCLIP


def load_run_student(context: Context) -> Student:
    """The float student of a run, in eval mode.

    Raises:
        StageError: the run has none.
        ArtifactError: its files are damaged, or it takes images of another size than the recipe
            says.
    """
    context.run.manifest("student")
    student = load_student(context.run.folder("student"))
    context.require_size("student", student.spec.contract.size)
    return student


def load_classifier(context: Context, stage: str, part: str = "") -> BackboneClassifier:
    """The network that stage `baseline` or `backbone` trained, in eval mode, from its own files.

    Args:
        part: a folder inside the stage's.

    Raises:
        StageError: the stage has not run.
        ArtifactError: it takes images of another size than the recipe says.
    """
    context.run.manifest(stage)
    folder = context.run.folder(stage) / part
    facts = read_json(folder / "config.json")
    context.require_size(stage, facts["contract"]["size"])
    tensors, _ = load_tensors(folder / "model.safetensors")
    model = BackboneClassifier(
        facts["backbone"], "none", len(facts["classes"]), input_size=facts["input_size"]
    )
    model.load_state_dict(tensors)
    model.source = {name: facts[name] for name in model.source}
    return model.eval()


def teacher_function(model: GazeCLIP) -> Any:
    """The teacher as a function of pixels, its class texts encoded once instead of once per batch.

    What is there of the other arguments of `GazeCLIP.encode_image` may follow the pixels.
    """
    with torch.inference_mode():
        text = model.encode_text()[0]
    return lambda pixels, gaze=None, seen=None: model(pixels, gaze, text, seen)


def load_teacher(context: Context) -> GazeCLIP:
    """The trained teacher of a run, in eval mode.

    Raises:
        ArtifactError: it was trained on other classes, prompts or sizes than the run's recipe has
            now.
    """
    context.run.manifest("teacher")
    model = GazeCLIP.load(context.run.folder("teacher")).eval()
    context.require_size("teacher", model.image_size)
    if model.prompts != tuple(context.taxonomy.prompts(name) for name in context.classes):
        raise ArtifactError(
            "the teacher was trained with other class prompts",
            remedy=f"Run: {stage_command('teacher', context.run.root)}",
        )
    return model
