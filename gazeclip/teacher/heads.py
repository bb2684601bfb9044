"""The two classifiers on the visual embedding."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Heads(nn.Module):
    """`v (B, D)` -> `(attribution (B, C), detection (B, 2))`.

    Detection is real (0) against fake (1).
    """

    def __init__(self, embed_dim: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.attribution = nn.Linear(embed_dim, classes)
        self.detection = nn.Linear(embed_dim, 2)

    def forward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        v = self.dropout(v)
        return self.attribution(v), self.detection(v)

    def attribute_fixed(self, v: Tensor) -> Tensor:
        """Attribution `(B, C)` of `v (B, D)`; no gradient of it reaches the head's weights."""
        head = self.attribution
        return F.linear(v, head.weight.detach(), head.bias.detach())
