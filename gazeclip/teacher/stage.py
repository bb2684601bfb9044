"""Stage `teacher`: train the gaze encoder if it has no weights, freeze it, then train GazeCLIP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gazeclip.baseline import Baseline, BaselineTask
from gazeclip.checkpoint import sha256
from gazeclip.cli import say
from gazeclip.context import Context
from gazeclip.data.augment import drawn
from gazeclip.data.dataset import Batch, FaceDataset, batches, epoch_keys, plain_keys
from gazeclip.errors import ConfigError
from gazeclip.inference import predict, validation_figures
from gazeclip.recipe import TrainConfig
from gazeclip.run import Run, execute
from gazeclip.teacher.gaze import GazeEncoder, build_gaze_encoder, gaze_loss
from gazeclip.teacher.losses import TeacherLoss
from gazeclip.teacher.model import GazeCLIP
from gazeclip.training import fit, split_decay


class _FaceTask:
    """What the two tasks share: data of the run, drawn anew each epoch."""

    name: str
    model: nn.Module

    def __init__(self, context: Context, config: TrainConfig) -> None:
        self.config, self.seed, self.workers = config, context.recipe.seed, context.recipe.data.workers
        augment = lambda index, number: drawn(self.seed, index, number, config.augment)  # noqa: E731
        self.train = FaceDataset(context.manifest, "train", context.contract, context.classes, augment)
        self.val = FaceDataset(context.manifest, "val", context.contract, context.classes)

    def batches(self, epoch: int) -> Iterator[Batch]:
        keys = epoch_keys(len(self.train), self.seed, epoch, lambda _: epoch)
        return batches(self.train, keys, self.config.batch_size, self.workers, drop_last=True)

    def batches_per_epoch(self) -> int:
        return max(1, len(self.train) // self.config.batch_size)

    def describe(self, batch: Batch) -> str:
        return ", ".join(str(self.train.samples[int(i)].path) for i in batch["index"][:4])


class GazeTask(_FaceTask):
    """The small gaze encoder on annotated gaze; judged by its mean angular error on val."""

    name = "gaze encoder"

    def __init__(self, context: Context, encoder: nn.Module, config: TrainConfig) -> None:
        super().__init__(context, config)
        self.model = encoder
        if any(sample.gaze is None for sample in self.train.samples + self.val.samples):
            raise ConfigError(
                "teacher.model.gaze.kind=small is trained on gaze labels, and the manifest has images without gaze_pitch and gaze_yaw",
                remedy="Give a pretrained encoder: --set teacher.model.gaze.kind=eth-xgaze --set teacher.model.gaze.weights=FILE",
            )

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        return split_decay(self.model, config.lr, config.weight_decay)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"loss": gaze_loss(self.model(batch["pixels"]).gaze, batch["gaze"])}

    @torch.inference_mode()
    def evaluate(self) -> dict[str, float]:
        errors = [
            gaze_loss(self.model(batch["pixels"]).gaze, batch["gaze"]).item() * len(batch["gaze"])
            for batch in batches(self.val, plain_keys(len(self.val)), 64)
        ]
        degrees = float(np.degrees(sum(errors) / len(self.val)))
        return {"error_deg": degrees, "score": -degrees}


class TeacherTask(_FaceTask):
    """GazeCLIP on labels; judged on val by detection AUC and macro attribution."""

    name = "teacher"

    def __init__(self, context: Context, model: GazeCLIP) -> None:
        super().__init__(context, context.recipe.teacher.train)
        self.model: GazeCLIP = model
        self.criterion = TeacherLoss(context.recipe.teacher.model)

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        return self.model.parameter_groups(config.lr, config.backbone_lr_scale, config.weight_decay)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return dict(self.criterion(self.model(batch["pixels"]), batch["label"]))

    def evaluate(self) -> dict[str, float]:
        return validation_figures(predict(teacher_function(self.model), self.val), self.val.targets)


def teacher_function(model: GazeCLIP) -> Any:
    """pixels -> outputs, with the class texts encoded once instead of once per batch."""
    with torch.inference_mode():
        text = model.encode_text()[0]
    return lambda pixels: model(pixels, text=text)


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `teacher/` (weights and config)."""
    context = Context(run)
    stage = context.recipe.teacher
    config = {"teacher": asdict(stage), "contract": context.contract.to_dict(), "seed": context.recipe.seed}
    inputs = {"data": run.output_hash("data")}
    if stage.model.gaze.weights and Path(stage.model.gaze.weights).is_file():
        inputs["gaze_weights"] = sha256(Path(stage.model.gaze.weights))
    return execute(run, "teacher", config=config, inputs=inputs, body=lambda folder: _body(context, folder), say=say, force=force)


def _body(context: Context, folder: Path) -> dict[str, Any]:
    recipe = context.recipe
    torch.manual_seed(recipe.seed)
    prompts = [context.taxonomy.prompts(name) for name in context.classes]
    metrics: dict[str, Any] = {}
    encoder = build_gaze_encoder(recipe.teacher.model.gaze)
    if encoder is not None and not encoder.pretrained:
        metrics["gaze"] = _train_gaze(context, encoder, folder)
    model = GazeCLIP(recipe.teacher.model, prompts, recipe.data.image_size, gaze_encoder=encoder)
    if recipe.teacher.backbone_epochs:
        metrics["backbone"] = _train_backbone(context, model, folder)
    say(f"teacher: {model.describe()}")
    task = TeacherTask(context, model)
    result = fit(task, recipe.teacher.train, folder / "resume" / "teacher", recipe.seed)
    model.save(folder)
    return {**metrics, "val": result["best"], "history": result["history"]}


def _train_backbone(context: Context, model: GazeCLIP, folder: Path) -> dict[str, Any]:
    stage = context.recipe.teacher
    if stage.model.tower != "hybrid":
        raise ConfigError("teacher.backbone_epochs needs a CNN", remedy="Use teacher.model.tower=hybrid, or backbone_epochs=0")
    config = replace(stage.train, epochs=stage.backbone_epochs, patience=stage.backbone_epochs)
    torch.manual_seed(context.recipe.seed)
    plain = Baseline(stage.model.backbone, stage.model.backbone_weights, len(context.classes))
    task = BaselineTask(context, config, plain, "teacher backbone")
    result = fit(task, config, folder / "resume" / "backbone", context.recipe.seed)
    target, trained = model.tower.get_submodule("backbone"), plain.encoder.state_dict()
    target.load_state_dict({name: trained[name] for name in target.state_dict()})
    return {"val": result["best"]}


def _train_gaze(context: Context, encoder: GazeEncoder, folder: Path) -> dict[str, Any]:
    stage = context.recipe.teacher
    config = replace(stage.train, epochs=stage.gaze_epochs, lr=2e-3, batch_size=64, patience=stage.gaze_epochs, augment=0.5)
    result = fit(GazeTask(context, encoder, config), config, folder / "resume" / "gaze", context.recipe.seed)
    encoder.mark_trained("gaze labels of the training split")
    return {"val": result["best"]}


def load_teacher(context: Context) -> GazeCLIP:
    """The trained teacher of a run, in eval mode."""
    context.run.manifest("teacher")
    return GazeCLIP.load(context.run.folder("teacher")).eval()


