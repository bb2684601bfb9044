"""Stage `teacher`: train the gaze encoder if it has no weights, freeze it, then train GazeCLIP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor, nn

from gazeclip.console.progress import say
from gazeclip.data.dataset import Batch, batches, plain_keys
from gazeclip.errors import ConfigError
from gazeclip.files.hashes import name_weights_by_content
from gazeclip.recipe.training import AugmentedTrainConfig, TrainConfig
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import RESUME, Run
from gazeclip.stages.backbone import load_backbone_stage
from gazeclip.stages.cnn_store import CnnStores, stores_for
from gazeclip.stages.gaze_store import GazeStore, build_gaze_store, store_name
from gazeclip.stages.load import teacher_function
from gazeclip.system import ranks
from gazeclip.teacher.gaze.angles import gaze_loss
from gazeclip.teacher.gaze.build import WITHOUT_GAZE, build_gaze_encoder
from gazeclip.teacher.gaze.encoder import GazeEncoder, GazeFeatures
from gazeclip.teacher.image.hybrid import HybridTower, Seen
from gazeclip.teacher.losses import TeacherLoss
from gazeclip.teacher.model import GazeCLIP
from gazeclip.training import FaceTask, fit, split_decay
from gazeclip.training.validation import BATCH_SIZE


class GazeTask(FaceTask):
    """The small gaze encoder on annotated gaze; judged by its mean angular error on val."""

    def __init__(self, context: Context, encoder: nn.Module, config: AugmentedTrainConfig) -> None:
        super().__init__(context, config, "gaze encoder")
        self.model = encoder
        if any(sample.gaze is None for sample in self.train.samples + self.val.samples):
            raise ConfigError(
                "teacher.model.gaze.kind=small is trained on gaze labels,"
                " and the manifest has images without gaze_pitch and gaze_yaw",
                remedy="Give a pretrained encoder: --set teacher.model.gaze.kind=eth-xgaze"
                f" --set teacher.model.gaze.weights=FILE, {WITHOUT_GAZE}",
            )

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        return split_decay(self.model, config.lr, config.weight_decay)

    def loss(self, batch: Batch, model: nn.Module) -> dict[str, Tensor]:
        return {"loss": gaze_loss(model(batch["pixels"]).gaze, batch["gaze"])}

    @torch.inference_mode()
    def evaluate(self) -> dict[str, float]:
        device = next(self.model.parameters()).device
        total = 0.0  # radians, of all images
        for batch in batches(self.val, plain_keys(len(self.val)), BATCH_SIZE):
            mean = gaze_loss(self.model(batch["pixels"].to(device)).gaze, batch["gaze"].to(device))
            total += mean.item() * len(batch["gaze"])
        degrees = float(np.degrees(total / len(self.val)))
        return {"error_deg": degrees, "score": -degrees}


class TeacherTask(FaceTask):
    """GazeCLIP on labels; judged on val by detection AUC and macro attribution."""

    def __init__(self, context: Context, model: GazeCLIP) -> None:
        super().__init__(context, context.recipe.teacher.train, "teacher")
        self.model: GazeCLIP = model
        self.gaze: dict[str, GazeStore] = {}
        self.cnns: CnnStores | None = None
        self.criterion = TeacherLoss(context.recipe.teacher.model)

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        return self.model.parameter_groups(config.lr, config.backbone_lr_scale, config.weight_decay)

    def loss(self, batch: Batch, model: nn.Module) -> dict[str, Tensor]:
        gaze = self._look_up_gaze("train", batch)
        seen = self._look_up_seen("train", batch)
        output = model(batch["pixels"], gaze, None, seen)
        return dict(self.criterion(output, batch["label"]))

    def store_gaze(self, context: Context, encoder: GazeEncoder, folder: Path) -> None:
        """The frozen encoder's features of train and val in `folder`, computed or found there."""
        device = PartialState().device
        for split, images in (("train", self.train), ("val", self.val)):
            place = folder / store_name(context, encoder, split)
            self.gaze[split] = build_gaze_store(encoder, images, place, device)

    def _look_up_gaze(self, split: str, batch: Batch) -> GazeFeatures | None:
        if split not in self.gaze:
            return None
        return self.gaze[split].find_features(batch["index"], batch["flipped"])

    def _look_up_seen(self, split: str, batch: Batch) -> Seen | None:
        if self.cnns is None:
            return None
        return self.cnns.find_seen(split, batch)

    def build_scorer(self) -> Callable[[Batch], Any]:
        score = teacher_function(self.model)
        return lambda batch: score(
            batch["pixels"], self._look_up_gaze("val", batch), self._look_up_seen("val", batch)
        )


def run_stage(
    run: Run,
    force: bool = False,
    gaze_features: Path | None = None,
    cnn_features: Path | None = None,
) -> bool:
    """Write `teacher/` (weights and config).

    Args:
        gaze_features: a folder in which runs that share images and gaze encoder keep its features;
            they stay there. By default each run has its own until the stage is done.
        cnn_features: the same for what frozen CNNs give (gazeclip/stages/cnn_store.py); by default
            nothing of that is kept.
    """
    context = Context(run)
    stage = context.recipe.teacher
    config = {
        "teacher": name_weights_by_content(asdict(stage)),
        "contract": context.contract.to_dict(),
        "seed": context.recipe.seed,
    }
    inputs = {"data": run.output_hash("data")}
    if context.recipe.backbone.enabled:
        inputs["backbone"] = run.output_hash("backbone")

    def body(folder: Path) -> dict[str, Any]:
        own = folder / RESUME / "gaze_features"
        return _train_teacher(context, folder, gaze_features or own, cnn_features)

    return execute(
        run,
        "teacher",
        config=config,
        inputs=inputs,
        body=body,
        force=force,
        distributed=True,
    )


def _train_teacher(
    context: Context, folder: Path, gaze_features: Path, cnn_features: Path | None
) -> dict[str, Any]:
    recipe = context.recipe
    torch.manual_seed(recipe.seed)
    prompts = [context.taxonomy.prompts(name) for name in context.classes]
    metrics: dict[str, Any] = {}
    encoder = build_gaze_encoder(recipe.teacher.model.gaze)
    if encoder is not None and not encoder.pretrained:
        metrics["gaze"] = _train_gaze(context, encoder, folder)
    # Again: the gaze training, if it was not resumed from its end, has drawn from the generator.
    torch.manual_seed(recipe.seed)
    model = GazeCLIP(recipe.teacher.model, prompts, recipe.data.image_size, gaze_encoder=encoder)
    if recipe.backbone.enabled and isinstance(model.tower, HybridTower):
        members: Any = load_backbone_stage(context).members
        encoders = [member.encoder for member in members]
        model.tower.adopt(encoders, [member.classifier for member in members])
    say(f"teacher: {model.describe()}")
    task = TeacherTask(context, model)
    ranks.join()
    if model.gaze_encoder is not None and recipe.teacher.gaze_features == "once":
        task.store_gaze(context, model.gaze_encoder, gaze_features)
    if cnn_features is not None and ranks.world_size() == 1:
        task.cnns = stores_for(context, model, cnn_features)
    result = fit(task, recipe.teacher.train, folder / RESUME / "teacher", recipe.seed)
    if ranks.is_main():
        model.save(folder)
    gates = model.read_gates()
    shown = []
    for name, values in gates.items():
        shown.append(f"{name} " + " ".join(f"{value:+.3f}" for value in values))
    say(f"teacher: gates that started at 0: {'; '.join(shown)}")
    return {**metrics, "gates": gates, "val": result["best"], "history": result["history"]}


def _train_gaze(context: Context, encoder: GazeEncoder, folder: Path) -> dict[str, Any]:
    stage = context.recipe.teacher
    result = fit(
        GazeTask(context, encoder, stage.gaze_train),
        stage.gaze_train,
        folder / RESUME / "gaze",
        context.recipe.seed,
    )
    encoder.mark_trained("gaze labels of the training split")
    return {"val": result["best"]}
