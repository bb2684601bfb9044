"""AWS, the adaptive-enhanced word selector.

Each text block learns which words of a prompt to strengthen.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WordSelector(nn.Module):
    """Weighs the words of a prompt: `X <- X + beta * (w - 1) * X`.

    `w = softmax(Linear(GELU(Linear(LN X)))) * n_valid` over the words. Its mean over the valid
    tokens is 1, padding is masked and left alone, and beta starts at 0: a fresh selector is the
    identity.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = max(width // 4, 8)
        self.score = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, 1)
        )
        self.beta = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """`x (N, L, width)`, `valid (N, L)` bool -> `(N, L, width)`."""
        # (N, L), padding out of the softmax; times the number of words, so that their mean is 1.
        scores = self.score(x).squeeze(-1).float().masked_fill(~valid, float("-inf"))
        weights = scores.softmax(-1) * valid.sum(-1, keepdim=True)
        return x + (self.beta * (weights - 1.0) * valid).unsqueeze(-1).to(x.dtype) * x
