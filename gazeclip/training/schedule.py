"""Learning rate over the steps, and which parameters decay."""

from __future__ import annotations

import math
from typing import Any

from torch import nn


def split_decay(module: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Two AdamW groups of a module's trainable parameters.

    Matrices decay; gains, biases and scalars do not.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "lr": lr, "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "lr": lr, "weight_decay": 0.0},
    ]


def learning_rate_factor(step: int, total: int, warmup: int) -> float:
    """Linear warm-up, then cosine to 1% of the peak."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(total - warmup, 1)
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
