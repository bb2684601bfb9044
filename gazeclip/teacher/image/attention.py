"""Multi-head attention and the pre-norm transformer block of the hybrid tower.

Tokens are `(B, N, width)`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CrossAttention(nn.Module):
    """Queries `(B, Q, width)` attend to a context `(B, N, context)`; returns `(B, Q, width)`."""

    def __init__(self, width: int, context: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(context, 2 * width)
        self.output = nn.Linear(width, width)

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:
        q = self._split_heads(self.query(queries))  # (B, heads, Q, width / heads)
        keys, values = self.key_value(context).chunk(2, dim=-1)  # each (B, N, width)
        k = self._split_heads(keys)
        v = self._split_heads(values)
        mixed = F.scaled_dot_product_attention(
            q, k, v, dropout_p=self.dropout if self.training else 0.0
        )
        return self.output(mixed.transpose(1, 2).flatten(2))

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class SelfAttention(nn.Module):
    """Tokens `(B, N, width)` attend to each other."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        # (B, N, 3 * width) -> (3, B, heads, N, width / heads)
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        mixed = F.scaled_dot_product_attention(
            q, k, v, dropout_p=self.dropout if self.training else 0.0
        )
        return self.output(mixed.transpose(1, 2).flatten(2))


class DropPath(nn.Module):
    """Stochastic depth: drops a residual branch per sample `(B, ...)` in training.

    As in Huang et al., arXiv:1603.09382.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        # One draw a sample; what is kept grows by as much, so that the mean stays.
        keep = torch.rand((x.shape[0], *(1,) * (x.dim() - 1)), device=x.device) >= self.rate
        return x * keep.to(x.dtype) / (1.0 - self.rate)


class Block(nn.Module):
    """Pre-norm transformer block with an MLP of four times the width."""

    def __init__(
        self, width: int, heads: int, dropout: float = 0.0, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, dropout)
        self.norm_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(dropout)
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attention(self.norm_1(x)))
        return x + self.drop_path(self.mlp(self.norm_2(x)))
