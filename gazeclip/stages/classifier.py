"""Training of a backbone with one linear classifier, for stages `backbone` and `baseline`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazeclip.data.dataset import Batch
from gazeclip.files.atomic import write_json
from gazeclip.files.hashes import name_weights_by_content
from gazeclip.files.tensors import save_tensors
from gazeclip.networks.classifier import BackboneClassifier
from gazeclip.recipe.stages import ClassifierStage
from gazeclip.recipe.training import TrainConfig
from gazeclip.run.context import Context
from gazeclip.system import ranks
from gazeclip.training import FaceTask, fit, split_decay

KIND = "classifier"  # as its files call the network


class ClassifierTask(FaceTask):
    """Cross-entropy over the classes."""

    def __init__(
        self, context: Context, stage: ClassifierStage, model: BackboneClassifier, name: str
    ) -> None:
        super().__init__(context, stage.train, name)
        self.model: BackboneClassifier = model
        self.smoothing = stage.label_smoothing

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        encoder = split_decay(
            self.model.encoder, config.lr * config.backbone_lr_scale, config.weight_decay
        )
        return encoder + split_decay(self.model.classifier, config.lr, config.weight_decay)

    def loss(self, batch: Batch, model: nn.Module) -> dict[str, Tensor]:
        return {
            "loss": F.cross_entropy(
                model(batch["pixels"]).logits, batch["label"], label_smoothing=self.smoothing
            )
        }


def train_classifier(
    context: Context,
    stage: ClassifierStage,
    name: str,
    backbone: str,
    weights: str,
    folder: Path,
    resume: Path,
    start: BackboneClassifier | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Train, write weights and `config.json` into `folder`, and return the figures.

    Args:
        name: of the task; each has an order and augmentations of its own.
        resume: keeps the state that survives a kill.
        weights: as in `gazeclip.networks.weights.load_backbone`, or with `start` what to call it.
        start: a trained network of the same backbone to go on from.
        options: those of `BackboneClassifier`.
    """
    seed = context.recipe.seed
    torch.manual_seed(seed)
    drawn = "none" if start is not None else weights
    model = BackboneClassifier(backbone, drawn, len(context.classes), **options)
    if start is not None:
        model.load_state_dict(start.state_dict())
        model.source["weights"] = weights
    task = ClassifierTask(context, stage, model, name)
    result = fit(task, stage.train, resume, seed)
    if ranks.is_main():
        save_tensors(folder / "model.safetensors", task.model.state_dict(), {"kind": KIND})
        facts = {
            "kind": KIND,
            "classes": context.classes,
            "contract": context.contract.to_dict(),
            **name_weights_by_content(model.source),
        }
        write_json(folder / "config.json", facts)
    return {"val": result["best"], "history": result["history"]}
