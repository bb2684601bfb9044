"""Stage `student`: distil the teacher's cache into a compact network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distill.cache import TeacherCache
from distill.losses import DistillationLoss
from distill.text_bank import TextBank
from gazeclip.cli import say
from gazeclip.context import Context
from gazeclip.data.dataset import Batch, FaceDataset, batches, epoch_keys
from gazeclip.errors import ArtifactError, ConfigError
from gazeclip.inference import predict, validation_figures
from gazeclip.recipe import DistillLoss, TrainConfig
from gazeclip.run import Run, execute
from gazeclip.student import Student, StudentSpec, build_encoder, save_student
from gazeclip.teacher.model import GazeCLIP
from gazeclip.teacher.stage import load_teacher
from gazeclip.teacher.weights import backbone_stats
from gazeclip.training import fit, split_decay

FROM_TEACHER = "teacher"  # value of `student.weights`


class DistillTask:
    """A student (float, or with a quantized encoder) learning from the cache. The teacher is never run."""

    def __init__(self, context: Context, model: Student, config: TrainConfig, loss: DistillLoss, name: str) -> None:
        self.name, self.model, self.config = name, model, config
        self.seed, self.workers = context.recipe.seed, context.recipe.data.workers
        self.cache = load_cache(context)
        self.criterion = DistillationLoss(loss)
        self.train = FaceDataset(context.manifest, "train", context.contract, context.classes, self.cache.augmentation)
        self.val = FaceDataset(context.manifest, "val", context.contract, context.classes)

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        encoder = split_decay(self.model.encoder, config.lr * config.backbone_lr_scale, config.weight_decay)
        return encoder + split_decay(self.model.head, config.lr, config.weight_decay)

    def batches(self, epoch: int) -> Iterator[Batch]:
        # Each epoch another stored augmentation, and not the same one for the whole batch.
        keys = epoch_keys(len(self.train), self.seed, epoch, lambda index: (epoch + index) % self.cache.augmentations)
        return batches(self.train, keys, self.config.batch_size, self.workers, drop_last=True)

    def batches_per_epoch(self) -> int:
        return max(1, len(self.train) // self.config.batch_size)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        teacher = self.cache.targets(batch["index"], batch["number"])
        return dict(self.criterion(self.model(batch["pixels"]), teacher, batch["label"]))

    def evaluate(self) -> dict[str, float]:
        return validation_figures(predict(self.model, self.val), self.val.targets)

    def describe(self, batch: Batch) -> str:
        return ", ".join(str(self.train.samples[int(i)].path) for i in batch["index"][:4])


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
    }
    for key, value in expected.items():
        if cache.facts[key] != value:
            raise ArtifactError(f"the cache was made with another {key}", remedy="Run: python -m distill cache")
    return cache


def build_student(context: Context) -> Student:
    """A fresh student around the run's text bank."""
    stage = context.recipe.student
    context.run.manifest("text_bank")
    bank = TextBank.load(context.run.folder("text_bank"))
    torch.manual_seed(context.recipe.seed)
    if stage.weights == FROM_TEACHER:
        teacher = load_teacher(context)
        encoder = build_encoder(stage.backbone, "none", stage.drop_path)
        inherit_backbone(encoder, teacher, stage.backbone)
        mean, std = backbone_stats(stage.backbone, teacher.config.backbone_weights)
    else:
        encoder = build_encoder(stage.backbone, stage.weights, stage.drop_path)
        mean, std = backbone_stats(stage.backbone, stage.weights)
    spec = StudentSpec(stage.backbone, bank.embeddings.shape[1], bank.classes, context.contract, mean, std)
    return Student(spec, encoder, bank.embeddings, bank.logit_scale)


def inherit_backbone(encoder: nn.Module, teacher: GazeCLIP, backbone: str) -> None:
    """Start a student from the convolutions of a hybrid teacher with the same backbone, instead of from scratch.

    The teacher's map stops before the classifier's own layers (`conv_head`), which keep their fresh weights.

    Raises:
        ConfigError: the teacher has no such backbone.
    """
    config = teacher.config
    if config.tower != "hybrid" or config.backbone != backbone:
        have = config.backbone if config.tower == "hybrid" else config.clip_model
        raise ConfigError(
            f"student.weights=teacher needs a hybrid teacher with backbone {backbone}, and this one has {have}",
            remedy=f"Use --set teacher.model.backbone={backbone}, or student.weights none, package, timm or a file",
        )
    trained = teacher.tower.get_submodule("backbone").state_dict()
    state = encoder.state_dict()
    shared = {name: value for name, value in trained.items() if name in state and state[name].shape == value.shape}
    if len(shared) < len(trained):
        lost = len(trained) - len(shared)
        raise ConfigError(f"{lost} tensors of the teacher's {backbone} do not fit the student", remedy="Use student.weights=none")
    encoder.load_state_dict({**state, **shared})


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `student/` (weights, text bank and config)."""
    context = Context(run)
    stage = context.recipe.student
    config = {"student": asdict(stage), "seed": context.recipe.seed}
    inputs = {name: run.output_hash(name) for name in ("data", "text_bank", "cache")}

    def body(folder: Path) -> dict[str, Any]:
        task = DistillTask(context, build_student(context), stage.train, stage.loss, "student")
        result = fit(task, stage.train, folder / "resume", context.recipe.seed)
        save_student(folder, task.model, {"text_bank": inputs["text_bank"]})
        return {"val": result["best"], "history": result["history"]}

    return execute(run, "student", config=config, inputs=inputs, body=body, say=say, force=force)
