"""Stage `teacher`: train the gaze encoder if it has no weights, freeze it, then train GazeCLIP."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor, nn

from gazeclip import ranks
from gazeclip.baseline import Baseline, BaselineTask
from gazeclip.checkpoint import file_inputs
from gazeclip.cli import say
from gazeclip.context import Context
from gazeclip.data.dataset import Batch, batches, plain_keys
from gazeclip.errors import ArtifactError, ConfigError
from gazeclip.recipe import AugmentedTrainConfig, TrainConfig
from gazeclip.run import Run, command, execute
from gazeclip.teacher.gaze import GazeEncoder, build_gaze_encoder, gaze_loss
from gazeclip.teacher.gaze_store import GazeStore, build_gaze_store
from gazeclip.teacher.losses import TeacherLoss
from gazeclip.teacher.model import GazeCLIP
from gazeclip.teacher.weights import adopt_weights
from gazeclip.training import FaceTask, fit, fresh_augmentation, split_decay


class GazeTask(FaceTask):
    """The small gaze encoder on annotated gaze; judged by its mean angular error on val."""

    name = "gaze encoder"

    def __init__(self, context: Context, encoder: nn.Module, config: AugmentedTrainConfig) -> None:
        super().__init__(context, config, fresh_augmentation(context, config))
        self.model = encoder
        if any(sample.gaze is None for sample in self.train.samples + self.val.samples):
            raise ConfigError(
                "teacher.model.gaze.kind=small is trained on gaze labels, and the manifest has images without gaze_pitch and gaze_yaw",
                remedy="Give a pretrained encoder: --set teacher.model.gaze.kind=eth-xgaze --set teacher.model.gaze.weights=FILE",
            )

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        return split_decay(self.model, config.lr, config.weight_decay)

    def loss(self, batch: Batch, model: nn.Module) -> dict[str, Tensor]:
        return {"loss": gaze_loss(model(batch["pixels"]).gaze, batch["gaze"])}

    @torch.inference_mode()
    def evaluate(self) -> dict[str, float]:
        device = next(self.model.parameters()).device
        errors = [
            gaze_loss(self.model(batch["pixels"].to(device)).gaze, batch["gaze"].to(device)).item() * len(batch["gaze"])
            for batch in batches(self.val, plain_keys(len(self.val)), 64)
        ]
        degrees = float(np.degrees(sum(errors) / len(self.val)))
        return {"error_deg": degrees, "score": -degrees}


class TeacherTask(FaceTask):
    """GazeCLIP on labels; judged on val by detection AUC and macro attribution."""

    name = "teacher"

    def __init__(self, context: Context, model: GazeCLIP, gaze: GazeStore | None = None) -> None:
        config = context.recipe.teacher.train
        super().__init__(context, config, fresh_augmentation(context, config))
        self.model: GazeCLIP = model
        self.gaze = gaze
        self.criterion = TeacherLoss(context.recipe.teacher.model)

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        return self.model.parameter_groups(config.lr, config.backbone_lr_scale, config.weight_decay)

    def loss(self, batch: Batch, model: nn.Module) -> dict[str, Tensor]:
        gaze = self.gaze.features(batch["index"], batch["flipped"]) if self.gaze is not None else None
        return dict(self.criterion(model(batch["pixels"], gaze), batch["label"]))

    def scorer(self) -> Any:
        return teacher_function(self.model)


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
    model = stage.model
    files = file_inputs(gaze_weights=model.gaze.weights, backbone_weights=model.backbone_weights, clip_pretrained=model.clip_pretrained)
    inputs = {"data": run.output_hash("data"), **files}
    return execute(run, "teacher", config=config, inputs=inputs, body=lambda folder: _body(context, folder), say=say, force=force, distributed=True)


def _body(context: Context, folder: Path) -> dict[str, Any]:
    recipe = context.recipe
    torch.manual_seed(recipe.seed)
    prompts = [context.taxonomy.prompts(name) for name in context.classes]
    metrics: dict[str, Any] = {}
    encoder = build_gaze_encoder(recipe.teacher.model.gaze)
    if encoder is not None and not encoder.pretrained:
        metrics["gaze"] = _train_gaze(context, encoder, folder)
    torch.manual_seed(recipe.seed)  # again: the gaze training, if it was not resumed from its end, has drawn from the generator
    model = GazeCLIP(recipe.teacher.model, prompts, recipe.data.image_size, gaze_encoder=encoder)
    if recipe.teacher.backbone_epochs:
        metrics["backbone"] = _train_backbone(context, model, folder)
    say(f"teacher: {model.describe()}")
    task = TeacherTask(context, model)
    if model.gaze_encoder is not None and recipe.teacher.gaze_features == "once":
        task.gaze = build_gaze_store(model.gaze_encoder, task.train, folder / "resume" / "gaze_features", PartialState().device)
    result = fit(task, recipe.teacher.train, folder / "resume" / "teacher", recipe.seed)
    if ranks.is_main():
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
    adopt_weights(model.tower.get_submodule("backbone"), plain.encoder, stage.model.backbone)
    return {"val": result["best"]}


def _train_gaze(context: Context, encoder: GazeEncoder, folder: Path) -> dict[str, Any]:
    stage = context.recipe.teacher
    result = fit(GazeTask(context, encoder, stage.gaze_train), stage.gaze_train, folder / "resume" / "gaze", context.recipe.seed)
    encoder.mark_trained("gaze labels of the training split")
    return {"val": result["best"]}


def load_teacher(context: Context) -> GazeCLIP:
    """The trained teacher of a run, in eval mode.

    Raises:
        ArtifactError: it was trained on other classes, prompts or sizes than the run's recipe has now.
    """
    context.run.manifest("teacher")
    model = GazeCLIP.load(context.run.folder("teacher")).eval()
    context.require_size("teacher", model.image_size)
    if model.prompts != tuple(context.taxonomy.prompts(name) for name in context.classes):
        raise ArtifactError("the teacher was trained with other class prompts", remedy=f"Run: {command('teacher')} --run {context.run.root}")
    return model


