"""Gaze prompts: K tokens that carry where a face looks into the image tower."""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazeclip.errors import StageError
from gazeclip.recipe.teacher import GazeConfig
from gazeclip.teacher.gaze.angles import gaze_vector
from gazeclip.teacher.gaze.encoder import GazeFeatures
from gazeclip.teacher.image.attention import CrossAttention

AT_CAMERA = (0.0, 0.0, -1.0)  # the unit vector of a gaze into the camera
SPREAD = 0.25  # by how much a component varies over faces; what enters the MLP is of order 1


class GazePrompts(nn.Module):
    """`tokens (B, N, Cg)` and `gaze (B, 2)` -> prompts P `(B, K, width)`.

    K learnable queries cross-attend to Linear(LN(F)) at its places; MLP(g) of the unit gaze vector
    g is added to each. `config.signal` leaves out one of the two terms; with `config.doubt` the MLP
    also gets the encoder's doubt.
    """

    def __init__(self, config: GazeConfig, channels: int, width: int, heads: int) -> None:
        super().__init__()
        self.doubt = config.doubt
        self.queries = nn.Parameter(torch.randn(config.tokens, width) * 0.02)
        # Small queries alone would all attend to everything alike, and give K times one prompt.
        self.norm = nn.LayerNorm(width)
        self.attention: CrossAttention | None = None
        if config.signal != "vector":
            self.embed = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, width))
            self.attention = CrossAttention(width, width, heads)
        self.vector: nn.Sequential | None = None
        if config.signal != "features":
            self.vector = nn.Sequential(
                nn.Linear(5 if config.doubt else 3, width), nn.GELU(), nn.Linear(width, width)
            )

    def forward(self, features: GazeFeatures) -> Tensor:
        prompts = self.queries.expand(features.gaze.shape[0], -1, -1)  # (B, K, width)
        if self.attention is not None:
            context = self.embed(features.tokens)  # (B, N, Cg) -> (B, N, width)
            # Attention knows no order: without places a prompt could not tell left from right.
            context = context + grid_positions(context.shape[1], context.shape[2]).to(context)
            prompts = prompts + self.attention(self.norm(prompts), context)
        if self.vector is not None:
            vector = self.vector(self._standardise_gaze(features))  # (B, width)
            prompts = prompts + vector.unsqueeze(1)  # the same for each of the K
        return prompts

    def _standardise_gaze(self, features: GazeFeatures) -> Tensor:
        """`(B, 3)`, or `(B, 5)` with the doubt: of order 1, and 0 for a look into the camera."""
        gaze = gaze_vector(features.gaze)
        offset = gaze - gaze.new_tensor(AT_CAMERA)
        if self.doubt:
            if features.doubt is None:
                raise StageError(
                    "the gaze prompts want the gaze of the mirror image, and it was not looked at",
                    remedy="Take the features from GazeCLIP.encode_gaze, or set gaze.doubt=false",
                )
            offset = torch.cat((offset, features.doubt), dim=1)
        return offset / SPREAD


@functools.cache
@torch.inference_mode(False)  # kept, and the next to ask for it may be a training step
def grid_positions(count: int, width: int) -> Tensor:
    """Sines and cosines `(count, width)` of the places of a square map read row by row.

    Of a line, if it is no square. Half of the columns tell the row, half the column, as in the
    fixed positions of arXiv:2104.02057.
    """
    side = math.isqrt(count)
    rows, columns = (side, side) if side * side == count else (1, count)
    # A quarter of the columns each: sine and cosine of the row, sine and cosine of the column.
    frequencies = 10_000.0 ** -torch.arange(0, 1, 4 / max(width, 4))
    grid = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    places = torch.stack(grid, -1).reshape(count, 2, 1)  # row and column of each cell
    angles = places * frequencies  # (count, 2, width / 4, rounded up)
    table = torch.cat((angles.sin(), angles.cos()), dim=-1).flatten(1)[:, :width]
    return F.pad(table, (0, width - table.shape[1]))


class DeepPrompts(nn.Module):
    """Renews the prompt tokens at the entrance of the first blocks.

    This is deep visual prompt tuning (arXiv:2203.12119). At block i the K prompt slots of
    `x (B, 1+K+N, width)` are set to P + Linear_i(P) + E_i; both terms start at 0.
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
        # Slot 0 is the class token, 1 to K are the prompts, the rest are patches.
        renewed = prompts + self.maps[index](prompts) + self.offsets[index]
        return torch.cat((x[:, :1], renewed.to(x.dtype), x[:, 1 + prompts.shape[1] :]), dim=1)
