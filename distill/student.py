"""Stage `student`: distil the teacher's cache into a compact network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distill.cache import TeacherCache
from distill.losses import DistillationLoss
from distill.text_bank import TextBank
from gazeclip.console.progress import say
from gazeclip.data.dataset import Batch
from gazeclip.errors import ArtifactError, Fault, raise_first
from gazeclip.files.hashes import name_weights_by_content
from gazeclip.networks.backbones import build_encoder
from gazeclip.networks.student import (
    TEACHER_KEY,
    Student,
    StudentOutput,
    StudentSpec,
    save_student,
)
from gazeclip.networks.student_encoder import StudentEncoder
from gazeclip.networks.weights import backbone_stats
from gazeclip.recipe.stages import FROM_TEACHER, DistillLoss
from gazeclip.recipe.teacher import TeacherConfig
from gazeclip.recipe.training import TrainConfig
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run
from gazeclip.run.stages import stage_command
from gazeclip.stages.load import load_teacher
from gazeclip.system import ranks
from gazeclip.teacher.model import GazeCLIP
from gazeclip.training import FaceTask, fit, split_decay


class DistillTask(FaceTask):
    """A student (float, or with a quantized encoder) learning from the cache.

    The teacher is never run.
    """

    def __init__(
        self, context: Context, model: Student, config: TrainConfig, loss: DistillLoss, name: str
    ) -> None:
        cache = load_cache(context)
        # Each epoch another stored augmentation, and not the same one for the whole batch.
        super().__init__(
            context,
            config,
            name,
            cache.augmentation,
            lambda epoch, index: (epoch + index) % cache.augmentations,
        )
        self.model: Student = model
        self.cache = cache
        self.criterion = DistillationLoss(loss, model.head.gaze.spread)

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        groups = []
        for name, part in self.model.encoder.named_children():
            # The branch for the gaze is as new as the head.
            scale = 1.0 if name == "places" else config.backbone_lr_scale
            groups += split_decay(part, config.lr * scale, config.weight_decay)
        return groups + split_decay(self.model.head, config.lr, config.weight_decay)

    def loss(self, batch: Batch, model: nn.Module) -> dict[str, Tensor]:
        return self.compare_with_teacher(model(batch["pixels"]), batch)

    def compare_with_teacher(self, output: StudentOutput, batch: Batch) -> dict[str, Tensor]:
        """The terms of the loss, and `loss`, their sum, of a student's answers to a batch."""
        targets = self.cache.targets(batch["index"].cpu(), batch["number"].cpu())
        teacher = {name: value.to(batch["pixels"].device) for name, value in targets.items()}
        return dict(self.criterion(output, teacher, batch["label"]))


def load_cache(context: Context) -> TeacherCache:
    """The run's cache.

    Raises:
        ArtifactError: it was made with other classes, another pixel contract or another teacher.
    """
    context.run.manifest("cache")
    cache = TeacherCache.load(context.run.folder("cache"))
    expected = {
        "classes": list(context.classes),
        "contract": context.contract.to_dict(),
        "teacher": context.run.output_hash("teacher"),
        "data": context.run.output_hash("data"),
    }
    for key, value in expected.items():
        if cache.facts.get(key) != value:
            raise ArtifactError(
                f"the cache was made with another {key}",
                remedy=f"Run: {stage_command('cache', context.run.root)}",
            )
    return cache


def build_student(context: Context) -> Student:
    """A fresh student around the run's text bank, its gaze in the range of the cached one."""
    stage = context.recipe.student
    context.run.output_hash("text_bank")  # refuses a bank of another teacher
    bank = TextBank.load(context.run.folder("text_bank"))
    torch.manual_seed(context.recipe.seed)
    if stage.weights == FROM_TEACHER:
        teacher = load_teacher(context)
        backbone = build_encoder(stage.backbone, "none", stage.drop_path)
        inherit_backbone(backbone, teacher, stage.backbone)
        mean, std = backbone_stats(stage.backbone, teacher.config.backbone_weights)
    else:
        backbone = build_encoder(stage.backbone, stage.weights, stage.drop_path)
        mean, std = backbone_stats(stage.backbone, stage.weights)
    spec = StudentSpec(
        stage.backbone, bank.embeddings.shape[1], bank.classes, context.contract, mean, std
    )
    encoder = StudentEncoder(backbone, context.contract.size)
    if not encoder.has_places:
        say(
            f"student: {stage.backbone} gives no maps of its early layers:"
            " the gaze is read from pooled features, which tell little of it"
        )
    student = Student(spec, encoder, bank.embeddings, bank.logit_scale)
    student.head.gaze.fit_range(load_cache(context).tensors["gaze"])
    return student


def find_inheritance_faults(teacher: TeacherConfig, backbone: str) -> list[Fault]:
    """Why a student with this backbone cannot start from the teacher's convolutions."""
    is_hybrid = teacher.tower == "hybrid"
    if is_hybrid and teacher.backbone == backbone:
        return []
    have = teacher.backbone if is_hybrid else f"the tower {teacher.tower}"
    what = (
        f"student.weights=teacher needs a hybrid teacher with backbone {backbone},"
        f" and this one has {have}"
    )
    remedy = (
        f"Use --set teacher.model.backbone={backbone},"
        " or student.weights none, residual, package, timm or a file"
    )
    return [Fault(what, remedy)]


def inherit_backbone(encoder: nn.Module, teacher: GazeCLIP, backbone: str) -> None:
    """Start a student from the convolutions of a hybrid teacher with the same backbone.

    Raises:
        ConfigError: the teacher has no such backbone.
    """
    raise_first(find_inheritance_faults(teacher.config, backbone))
    encoder.load_state_dict(teacher.tower.get_submodule("backbone").state_dict())


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `student/` (weights, text bank and config)."""
    context = Context(run)
    stage = context.recipe.student
    config = {"student": name_weights_by_content(asdict(stage)), "seed": context.recipe.seed}
    inputs = {name: run.output_hash(name) for name in ("data", "text_bank", "cache")}

    def body(folder: Path) -> dict[str, Any]:
        task = DistillTask(context, build_student(context), stage.train, stage.loss, "student")
        result = fit(task, stage.train, folder / "resume", context.recipe.seed)
        if ranks.is_main():
            bank = TextBank.load(run.folder("text_bank"))
            facts = {"text_bank": inputs["text_bank"], TEACHER_KEY: bank.teacher_hash}
            save_student(folder, task.model, facts)
        return {"val": result["best"], "history": result["history"]}

    return execute(
        run,
        "student",
        config=config,
        inputs=inputs,
        body=body,
        force=force,
        distributed=True,
    )
