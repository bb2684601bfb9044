"""Quantization-aware training: distillation through fake quantizers, judged by the gate.

Two teachers speak at once. The cache holds what the large one said of each training image; and the
float student, whose answers the quantized one is to keep, is run beside it. The second pulls every
output back to where it was before quantization, which the first does not know.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill.losses import EmbeddingLoss, LogitLoss
from distill.student import DistillTask
from gazeclip.networks.student import Student, StudentOutput
from gazeclip.recipe.training import TrainConfig
from gazeclip.run.context import Context
from quantize.judge import StudentJudge

# NNCF's names of the ranges of symmetric and of other quantizers.
_RANGES = ("_scale_param_storage", "input_low", "input_range")


class QatTask(DistillTask):
    """Trains a quantized student; the best epoch is the one nearest to its float twin.

    Batch norms are folded already, so the encoder stays in eval mode.
    """

    def __init__(
        self,
        context: Context,
        model: Student,
        twin: Student,
        judge: StudentJudge,
        config: TrainConfig,
    ) -> None:
        stage = context.recipe.quantize
        super().__init__(context, model, config, stage.loss, "quantize")
        self.stage = stage
        self.judge = judge
        self.twin = copy.deepcopy(twin).eval()  # it moves to where the training runs
        self.match = MatchLoss(stage.loss.temperature, model.head.gaze.spread)

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        """Weights, and the quantizers' ranges with a rate of their own, which never decay."""
        return split_ranges(self.model, config, self.stage.range_lr_scale)

    def loss(self, batch: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
        model.eval()
        self.twin.to(batch["pixels"].device)
        output = model(batch["pixels"])
        with torch.no_grad():
            wanted = self.twin(batch["pixels"])
        matched = self.match(output, wanted)
        if not self.stage.teach:
            return {"match": matched, "loss": self.stage.match * matched}
        terms = self.compare_with_teacher(output, batch)
        taught = terms.pop("loss")
        total = self.stage.teach * taught + self.stage.match * matched
        return {**terms, "match": matched, "loss": total}

    def evaluate(self) -> dict[str, float]:
        """The gate's figures on val; `score` is the largest drop, negated."""
        return self.judge.measure(self.model)


class MatchLoss(nn.Module):
    """How far all four outputs of a student are from another one's.

    Embeddings by `1 - cos`, class logits by KL at temperature T, the fake logit and the gaze, in
    units of `gaze_spread (2,)` radians, by smooth L1.
    """

    def __init__(self, temperature: float, gaze_spread: Tensor) -> None:
        super().__init__()
        self.embedding = EmbeddingLoss()
        self.logits = LogitLoss(temperature)
        self.gaze_spread = gaze_spread

    def forward(self, output: StudentOutput, wanted: StudentOutput) -> Tensor:
        spread = self.gaze_spread.to(output.gaze)
        terms = [
            self.embedding(output.embedding, wanted.embedding),
            self.logits(output.logits, wanted.logits),
            F.smooth_l1_loss(output.fake_logit, wanted.fake_logit),
            F.smooth_l1_loss(output.gaze / spread, wanted.gaze / spread),
        ]
        return torch.stack(terms).sum()


def split_ranges(model: nn.Module, config: TrainConfig, scale: float) -> list[dict[str, Any]]:
    """AdamW groups: matrices (decay), gains and biases, and the quantizers' ranges.

    `scale`: rate of the ranges in units of `config.lr`.
    """
    matrices: list[Tensor] = []
    vectors: list[Tensor] = []
    ranges: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.rpartition(".")[2] in _RANGES:
            ranges.append(parameter)
        elif parameter.ndim > 1:
            matrices.append(parameter)
        else:
            vectors.append(parameter)
    return [
        {"params": matrices, "lr": config.lr, "weight_decay": config.weight_decay},
        {"params": vectors, "lr": config.lr, "weight_decay": 0.0},
        {"params": ranges, "lr": config.lr * scale, "weight_decay": 0.0},
    ]
