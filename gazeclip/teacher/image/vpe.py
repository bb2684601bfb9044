"""VPE, the visual perception encoder: the image embedding consults the gaze once more."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazeclip.teacher.gaze.encoder import GazeFeatures
from gazeclip.teacher.image.attention import CrossAttention


class VisualPerception(nn.Module):
    """`v = LN(v_a + gamma * (CrossAttn(v_a, P) + z))`, where `z = Linear(mean F)`.

    gamma is learnable and starts at 0.

    Args:
        embed_dim: D of `v_a (B, D)`.
        width: of the gaze prompts `(B, K, width)`; None leaves only the layer norm (no gaze).
        channels: Cg of the gaze features; None leaves out z.
    """

    def __init__(self, embed_dim: int, width: int | None, channels: int | None, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(embed_dim)
        self.attention: CrossAttention | None = None
        if width is not None:
            self.attention = CrossAttention(embed_dim, width, heads)
            self.summary: nn.Sequential | None = None
            if channels is not None:
                linear = nn.Linear(channels, embed_dim)
                self.summary = nn.Sequential(nn.LayerNorm(channels), linear)
            self.gamma = nn.Parameter(torch.zeros(()))

    def forward(
        self,
        v_a: Tensor,
        prompts: Tensor | None,
        features: GazeFeatures | None,
        keep: Tensor | float = 1.0,
    ) -> Tensor:
        """`v_a (B, D)` -> v `(B, D)`; `keep (B, 1)` is 0 for images that go without gaze."""
        if self.attention is None or prompts is None or features is None:
            return self.norm(v_a)
        consulted = self._consult(self.attention, v_a, prompts, features)
        return self.norm(v_a + self.gamma * keep * consulted)

    def judge_gaze(self, prompts: Tensor | None, features: GazeFeatures | None) -> Tensor | None:
        """`LN(CrossAttn(0, P) + z)` `(B, D)`: v of the gaze without the image. None without gaze.

        The query is empty, or the choice among the prompts would tell of the image.
        """
        if self.attention is None or prompts is None or features is None:
            return None
        empty = prompts.new_zeros(len(prompts), self.norm.normalized_shape[0])
        return self.norm(self._consult(self.attention, empty, prompts, features))

    def _consult(
        self, attention: CrossAttention, v_a: Tensor, prompts: Tensor, features: GazeFeatures
    ) -> Tensor:
        """`CrossAttn(v_a, P) + z`, `(B, D)`."""
        # The embedding is the only query: (B, 1, D) over (B, K, width) -> (B, D).
        consulted: Tensor = attention(v_a.unsqueeze(1), prompts).squeeze(1)
        if self.summary is not None:
            consulted = consulted + self.summary(features.tokens.mean(1))  # (B, Cg) -> (B, D)
        return consulted
