"""Gaze prompts: K tokens that carry where a face looks into the image tower."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazeclip.teacher.attention import CrossAttention
from gazeclip.teacher.gaze import GazeFeatures, gaze_vector


class GazePrompts(nn.Module):
    """`tokens (B, N, Cg)` and `gaze (B, 2)` -> prompts P `(B, K, width)`.

    K learnable queries cross-attend to Linear(LN(F)); MLP(g) of the unit gaze vector g is added to each.
    """

    def __init__(self, channels: int, width: int, tokens: int, heads: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(tokens, width) * 0.02)
        self.embed = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, width))
        self.attention = CrossAttention(width, width, heads)
        self.vector = nn.Sequential(nn.Linear(3, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, features: GazeFeatures) -> Tensor:
        queries = self.queries.expand(features.tokens.shape[0], -1, -1)
        prompts = queries + self.attention(queries, self.embed(features.tokens))
        return prompts + self.vector(gaze_vector(features.gaze)).unsqueeze(1)


class DeepPrompts(nn.Module):
    """Renews the prompt tokens at the entrance of the first blocks, as in deep visual prompt tuning (arXiv:2203.12119).

    At block i the K prompt slots of `x (B, 1+K+N, width)` are set to P + Linear_i(P) + E_i; both terms start at 0.
    """

    def __init__(self, width: int, tokens: int, blocks: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(blocks))
        for linear in self.maps:
            nn.init.zeros_(linear.weight)  # type: ignore[arg-type]
        self.offsets = nn.Parameter(torch.zeros(blocks, tokens, width))

    def forward(self, x: Tensor, prompts: Tensor, block: int) -> Tensor:
        """Block 0 already has its prompts; blocks beyond the first ones keep what flows through."""
        if not 1 <= block <= len(self.maps):
            return x
        index = block - 1
        renewed = prompts + self.maps[index](prompts) + self.offsets[index]
        return torch.cat((x[:, :1], renewed.to(x.dtype), x[:, 1 + prompts.shape[1] :]), dim=1)
