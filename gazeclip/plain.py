"""A backbone with one linear classifier, trained on labels alone: the peer of the student, and the start of a hybrid teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazeclip import ranks
from gazeclip.checkpoint import load_tensors, read_json, save_tensors, write_json
from gazeclip.context import Context
from gazeclip.data.dataset import Batch
from gazeclip.recipe import PlainStage, TrainConfig
from gazeclip.student import build_encoder
from gazeclip.teacher.towers import scaled
from gazeclip.teacher.weights import backbone_stats
from gazeclip.training import FaceTask, fit, split_decay


class PlainOutput(NamedTuple):
    """logits `(B, C)`, fake_logit `(B, 1)`."""

    logits: Tensor
    fake_logit: Tensor


class Plain(nn.Module):
    """Backbone and one linear classifier; the detection score is the log odds of any forgery against real.

    Mean and std are those of the weights it starts from, and are part of what is saved. `input_size`: side in pixels to which
    it scales its images, 0 as they come.
    """

    def __init__(self, backbone: str, weights: str, n_classes: int, drop_path: float = 0.0, input_size: int = 0) -> None:
        super().__init__()
        self.source = {"backbone": backbone, "weights": weights, "input_size": input_size}
        self.input_size = input_size
        self.encoder = build_encoder(backbone, weights, drop_path)
        mean, std = backbone_stats(backbone, weights)
        self.register_buffer("mean", 255.0 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255.0 * torch.tensor(std).view(1, 3, 1, 1))
        self.mean: Tensor
        self.std: Tensor
        features = int(getattr(self.encoder, "head_hidden_size", 0) or self.encoder.num_features)  # type: ignore[arg-type]
        self.classifier = nn.Linear(features, n_classes)

    def forward(self, pixels: Tensor) -> PlainOutput:
        """uint8 pixels `(B, 3, S, S)`."""
        images = scaled((pixels.float() - self.mean) / self.std, self.input_size)
        features = self.encoder(images.contiguous(memory_format=torch.channels_last))
        logits = self.classifier(features)
        fake_logit = torch.logsumexp(logits[:, 1:], dim=-1, keepdim=True) - logits[:, :1]
        return PlainOutput(logits, fake_logit)


class PlainTask(FaceTask):
    """Cross-entropy over the classes."""

    def __init__(self, context: Context, stage: PlainStage, model: Plain, name: str) -> None:
        super().__init__(context, stage.train, name)
        self.model: Plain = model
        self.smoothing = stage.label_smoothing

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        encoder = split_decay(self.model.encoder, config.lr * config.backbone_lr_scale, config.weight_decay)
        return encoder + split_decay(self.model.classifier, config.lr, config.weight_decay)

    def loss(self, batch: Batch, model: nn.Module) -> dict[str, Tensor]:
        return {"loss": F.cross_entropy(model(batch["pixels"]).logits, batch["label"], label_smoothing=self.smoothing)}


def train_plain(
    context: Context, stage: PlainStage, name: str, backbone: str, weights: str, folder: Path, resume: Path, **options: Any
) -> dict[str, Any]:
    """Train, write weights and `config.json` into `folder`, and return the figures.

    Args:
        name: of the task; each has an order and augmentations of its own.
        resume: keeps the state that survives a kill.
        options: those of `Plain`.
    """
    seed = context.recipe.seed
    torch.manual_seed(seed)
    model = Plain(backbone, weights, len(context.classes), **options)
    task = PlainTask(context, stage, model, name)
    result = fit(task, stage.train, resume, seed)
    if ranks.is_main():
        save_tensors(folder / "model.safetensors", task.model.state_dict(), {"kind": "plain"})
        facts = {"kind": "plain", "classes": context.classes, "contract": context.contract.to_dict(), **model.source}
        write_json(folder / "config.json", facts)
    return {"val": result["best"], "history": result["history"]}


def load_plain(context: Context, stage: str, part: str = "") -> Plain:
    """The network that stage `baseline` or `backbone` trained, in eval mode, from its own files; `part`: a folder inside the stage's.

    Raises:
        StageError: the stage has not run.
        ArtifactError: it takes pictures of another size than the recipe says.
    """
    context.run.manifest(stage)
    folder = context.run.folder(stage) / part
    facts = read_json(folder / "config.json")
    context.require_size(stage, facts["contract"]["size"])
    tensors, _ = load_tensors(folder / "model.safetensors")
    model = Plain(facts["backbone"], "none", len(facts["classes"]), input_size=facts["input_size"])
    model.load_state_dict(tensors)
    model.source = {name: facts[name] for name in model.source}
    return model.eval()
