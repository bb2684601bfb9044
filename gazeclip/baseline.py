"""Stage `baseline`: the student's backbone fine-tuned on labels alone, without gaze, text or teacher. The peer to beat."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazeclip import ranks
from gazeclip.checkpoint import file_inputs, load_tensors, read_json, save_tensors, write_json
from gazeclip.cli import say
from gazeclip.context import Context
from gazeclip.data.dataset import Batch
from gazeclip.recipe import AugmentedTrainConfig, TrainConfig
from gazeclip.run import Run, execute
from gazeclip.student import build_encoder
from gazeclip.teacher.weights import backbone_stats
from gazeclip.training import FaceTask, fit, fresh_augmentation, split_decay


class BaselineOutput(NamedTuple):
    """logits `(B, C)`, fake_logit `(B, 1)`."""

    logits: Tensor
    fake_logit: Tensor


class Baseline(nn.Module):
    """Backbone and one linear classifier; the detection score is the log odds of any forgery against real.

    Mean and std are those of the weights it starts from, and are part of what is saved.
    """

    def __init__(self, backbone: str, weights: str, n_classes: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.encoder = build_encoder(backbone, weights, drop_path)
        mean, std = backbone_stats(backbone, weights)
        self.register_buffer("mean", 255.0 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255.0 * torch.tensor(std).view(1, 3, 1, 1))
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


class BaselineTask(FaceTask):
    """Cross-entropy over the classes."""

    def __init__(self, context: Context, config: AugmentedTrainConfig, model: Baseline, name: str = "baseline", smoothing: float = 0.05) -> None:
        super().__init__(context, config, fresh_augmentation(context, config))
        self.model: Baseline = model
        self.name, self.smoothing = name, smoothing

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        encoder = split_decay(self.model.encoder, config.lr * config.backbone_lr_scale, config.weight_decay)
        return encoder + split_decay(self.model.classifier, config.lr, config.weight_decay)

    def loss(self, batch: Batch, model: nn.Module) -> dict[str, Tensor]:
        return {"loss": F.cross_entropy(model(batch["pixels"]).logits, batch["label"], label_smoothing=self.smoothing)}


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `baseline/` (weights and config)."""
    context = Context(run)
    recipe = context.recipe
    if not recipe.baseline.enabled:
        say("baseline: switched off in the recipe (baseline.enabled)")
        return False
    student = recipe.student
    config = {
        "baseline": asdict(recipe.baseline),
        "student": [student.backbone, student.drop_path],
        "contract": context.contract.to_dict(),
        "seed": recipe.seed,
    }

    def body(folder: Path) -> dict[str, Any]:
        torch.manual_seed(recipe.seed)
        model = Baseline(student.backbone, recipe.baseline.weights, len(context.classes), student.drop_path)
        task = BaselineTask(context, recipe.baseline.train, model, smoothing=recipe.baseline.label_smoothing)
        result = fit(task, recipe.baseline.train, folder / "resume", recipe.seed)
        if ranks.is_main():
            save_tensors(folder / "model.safetensors", task.model.state_dict(), {"kind": "baseline"})
            facts = {"kind": "baseline", "backbone": student.backbone, "classes": context.classes, "contract": context.contract.to_dict()}
            write_json(folder / "config.json", facts)
        return {"val": result["best"], "history": result["history"]}

    inputs = {"data": run.output_hash("data"), **file_inputs(weights=recipe.baseline.weights)}
    return execute(run, "baseline", config=config, inputs=inputs, body=body, say=say, force=force, distributed=True)


def load_baseline(context: Context) -> Baseline:
    """The trained baseline of a run, in eval mode, from its own files; refused if it takes other pictures than the recipe says."""
    context.run.manifest("baseline")
    folder = context.run.folder("baseline")
    facts = read_json(folder / "config.json")
    context.require_size("baseline", facts["contract"]["size"])
    tensors, _ = load_tensors(folder / "model.safetensors")
    model = Baseline(facts["backbone"], "none", len(facts["classes"]))
    model.load_state_dict(tensors)
    return model.eval()
