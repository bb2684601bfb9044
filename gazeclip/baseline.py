"""Stage `baseline`: the student's backbone fine-tuned on labels alone, without gaze, text or teacher. The peer to beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazeclip.checkpoint import load_tensors, save_tensors, write_json
from gazeclip.cli import say
from gazeclip.context import Context
from gazeclip.data.augment import drawn
from gazeclip.data.dataset import Batch, FaceDataset, batches, epoch_keys
from gazeclip.inference import predict, validation_figures
from gazeclip.recipe import TrainConfig
from gazeclip.run import Run, execute
from gazeclip.student import build_encoder
from gazeclip.teacher.weights import backbone_stats
from gazeclip.training import fit, split_decay


class BaselineOutput(NamedTuple):
    """logits `(B, C)`, fake_logit `(B, 1)`."""

    logits: Tensor
    fake_logit: Tensor


class Baseline(nn.Module):
    """Backbone and one linear classifier; the detection score is the log odds of any forgery against real.

    `load=False` leaves out reading the pretrained weights, whose mean and std hold all the same.
    """

    def __init__(self, backbone: str, weights: str, n_classes: int, drop_path: float = 0.0, load: bool = True) -> None:
        super().__init__()
        self.encoder = build_encoder(backbone, weights if load else "none", drop_path)
        mean, std = backbone_stats(backbone, weights)
        self.register_buffer("mean", 255.0 * torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255.0 * torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.mean: Tensor
        self.std: Tensor
        features = int(getattr(self.encoder, "head_hidden_size", 0) or self.encoder.num_features)  # type: ignore[arg-type]
        self.classifier = nn.Linear(features, n_classes)

    def forward(self, pixels: Tensor) -> BaselineOutput:
        """uint8 pixels `(B, 3, S, S)`."""
        features = self.encoder(((pixels.float() - self.mean) / self.std).contiguous(memory_format=torch.channels_last))
        logits = self.classifier(features)
        fake_logit = torch.logsumexp(logits[:, 1:], dim=-1, keepdim=True) - logits[:, :1]
        return BaselineOutput(logits, fake_logit)


class BaselineTask:
    """Cross-entropy over the classes."""

    def __init__(self, context: Context, config: TrainConfig, model: Baseline, name: str = "baseline") -> None:
        recipe, manifest = context.recipe, context.manifest
        self.model, self.name = model, name
        self.config, self.seed, self.workers = config, recipe.seed, recipe.data.workers
        augment = lambda index, number: drawn(self.seed, index, number, config.augment)  # noqa: E731
        self.train = FaceDataset(manifest, "train", context.contract, context.classes, augment)
        self.val = FaceDataset(manifest, "val", context.contract, context.classes)

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        encoder = split_decay(self.model.encoder, config.lr * config.backbone_lr_scale, config.weight_decay)
        return encoder + split_decay(self.model.classifier, config.lr, config.weight_decay)

    def batches(self, epoch: int) -> Iterator[Batch]:
        keys = epoch_keys(len(self.train), self.seed, epoch, lambda _: epoch)
        return batches(self.train, keys, self.config.batch_size, self.workers, drop_last=True)

    def batches_per_epoch(self) -> int:
        return max(1, len(self.train) // self.config.batch_size)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"loss": F.cross_entropy(self.model(batch["pixels"]).logits, batch["label"], label_smoothing=0.05)}

    def evaluate(self) -> dict[str, float]:
        return validation_figures(predict(self.model, self.val), self.val.targets)

    def describe(self, batch: Batch) -> str:
        return ", ".join(str(self.train.samples[int(i)].path) for i in batch["index"][:4])


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `baseline/` (weights and config)."""
    context = Context(run)
    recipe = context.recipe
    if not recipe.baseline.enabled:
        return False
    student = recipe.student
    config = {
        "train": asdict(recipe.baseline.train),
        "student": [student.backbone, recipe.baseline.weights, student.drop_path],
        "contract": context.contract.to_dict(),
        "seed": recipe.seed,
    }

    def body(folder: Path) -> dict[str, Any]:
        torch.manual_seed(recipe.seed)
        model = Baseline(student.backbone, recipe.baseline.weights, len(context.classes), student.drop_path)
        task = BaselineTask(context, recipe.baseline.train, model)
        result = fit(task, recipe.baseline.train, folder / "resume", recipe.seed)
        save_tensors(folder / "model.safetensors", task.model.state_dict(), {"kind": "baseline"})
        write_json(folder / "config.json", {"kind": "baseline", "backbone": student.backbone, "classes": context.classes})
        return {"val": result["best"], "history": result["history"]}

    return execute(run, "baseline", config=config, inputs={"data": run.output_hash("data")}, body=body, say=say, force=force)


def load_baseline(context: Context) -> Baseline:
    """The trained baseline of a run, in eval mode."""
    context.run.manifest("baseline")
    tensors, _ = load_tensors(context.run.folder("baseline") / "model.safetensors")
    recipe = context.recipe
    model = Baseline(recipe.student.backbone, recipe.baseline.weights, len(context.classes), load=False)
    model.load_state_dict(tensors)
    return model.eval()
