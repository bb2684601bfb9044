"""Running the blocks of an open_clip text transformer with a step between attention and MLP."""

from __future__ import annotations

from typing import Any

import torch
from open_clip.transformer import CustomResidualAttentionBlock, ResidualAttentionBlock
from torch import Tensor

from gazeclip.errors import ConfigError
from gazeclip.teacher.text.aws import WordSelector


def run_block(
    block: Any, x: Tensor, mask: Tensor, selector: WordSelector | None, valid: Tensor
) -> Tensor:
    """One residual attention block on `x (N, L, width)`; the selector acts between its halves.

    The block's own modules are used (layer scale, GELU or QuickGELU, the extra norms of custom
    blocks); without a selector the result is what the block itself returns.

    Args:
        mask: additive attention mask `(N * heads, L, L)`.
        valid: `(N, L)` bool, False on padding.
    """
    if isinstance(block, CustomResidualAttentionBlock):
        x = x + block.ls_1(block.ln_attn(block.attn(block.ln_1(x), attn_mask=mask)))
    elif isinstance(block, ResidualAttentionBlock):
        x = x + block.ls_1(block.attention(block.ln_1(x), attn_mask=mask))
    else:
        raise ConfigError(
            f"the text transformer is made of {type(block).__name__},"
            " not of open_clip's residual blocks",
            remedy="Choose a CLIP model with open_clip's own text transformer, such as ViT-B-16",
        )
    if selector is not None:
        x = selector(x, valid)
    return x + block.ls_2(block.mlp(block.ln_2(x)))


def attention_mask(valid: Tensor, causal: bool, heads: int) -> Tensor:
    """Additive mask `(N * heads, L, L)` that keeps padding words from being keys.

    Where `causal` no word sees later ones either.
    """
    length = valid.shape[1]
    allowed = valid.unsqueeze(1).expand(-1, length, -1)  # (N, queries, keys)
    if causal:
        allowed = allowed & torch.ones(length, length, dtype=torch.bool, device=valid.device).tril()
    mask = torch.zeros(allowed.shape, device=valid.device).masked_fill(~allowed, float("-inf"))
    # torch's attention counts the heads of one row before those of the next.
    return mask.repeat_interleave(heads, dim=0)
