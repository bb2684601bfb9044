"""Exponential moving average of a model's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Ema:
    """Exponential moving average of parameters and buffers, with the usual ramp for short runs.

    Parameters that are frozen now stay as they are.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.frozen = {
            name for name, parameter in model.named_parameters() if not parameter.requires_grad
        }
        self.shadow = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model by one step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        shadow: list[Tensor] = []
        live: list[Tensor] = []
        for name, value in model.state_dict().items():
            if name in self.frozen:
                continue
            if value.is_floating_point():
                shadow.append(self.shadow[name])
                live.append(value)
            else:
                self.shadow[name].copy_(value)
        torch._foreach_lerp_(shadow, live, 1.0 - decay)  # one call for hundreds of small tensors
