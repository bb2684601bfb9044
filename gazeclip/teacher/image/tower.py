"""What both image towers share: patch tokens in, gaze prompts between CLS and patches, CLS out."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gazeclip.errors import Fault, raise_first
from gazeclip.teacher.image.prompts import DeepPrompts


def find_deep_prompt_faults(blocks: int, depth: int) -> list[Fault]:
    """Why deep prompts do not fit a tower of `depth` blocks."""
    if blocks <= depth:
        return []
    what = f"deep_prompts={blocks}, but the image tower has {depth} blocks"
    return [Fault(what, "Lower deep_prompts or raise depth")]


class ImageTower(nn.Module):
    """Base of the gaze-aware image encoder.

    It takes uint8 pixels `(B, 3, S, S)` and prompts `(B, K, width)` or None, and gives `(B, D)`.
    Subclasses set `width`, `embed_dim` and `depth` and define `embed`, `blocks` and `project`. With
    `prompts` the sequence is CLS, prompts, patches; only CLS is read out, so the prompts act
    through attention.
    """

    width: int
    embed_dim: int
    depth: int
    mean: Tensor
    std: Tensor

    def __init__(
        self, mean: tuple[float, ...], std: tuple[float, ...], input_size: int = 0
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.deep: DeepPrompts | None = None
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def use_deep_prompts(self, tokens: int, blocks: int) -> None:
        """Prepare deep prompts in the first `blocks` blocks.

        The first of them is the ordinary insertion.

        Raises:
            ConfigError: more blocks than the tower has.
        """
        raise_first(find_deep_prompt_faults(blocks, self.depth))
        if blocks > 1:
            self.deep = DeepPrompts(self.width, tokens, blocks - 1)

    def forward(self, pixels: Tensor, prompts: Tensor | None = None) -> Tensor:
        return self.attend(self.tokens(pixels), prompts)

    def tokens(self, pixels: Tensor) -> Tensor:
        """CLS and patch tokens `(B, 1+N, width)` of the images; no prompt changes them."""
        return self.look(pixels)[0]

    def look(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """`tokens` and what classifiers of the tower's own say `(B, C)`, where it has some."""
        return self.embed(self.normalise(pixels))

    def normalise(self, pixels: Tensor) -> Tensor:
        """uint8 pixels -> what the network's weights are used to."""
        return (pixels.float() / 255.0 - self.mean) / self.std

    def attend(self, x: Tensor, prompts: Tensor | None = None) -> Tensor:
        """The blocks on the `tokens` of images with their prompts -> `(B, D)`."""
        if prompts is not None:  # CLS, prompts, patches: (B, 1+K+N, width)
            x = torch.cat((x[:, :1], prompts.to(x.dtype), x[:, 1:]), dim=1)
        for index, block in enumerate(self.blocks()):
            if prompts is not None and self.deep is not None:
                x = self.deep(x, prompts, index)
            x = block(x)
        return self.project(x[:, 0])  # CLS alone

    def embed(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """CLS and patch tokens `(B, 1+N, width)` after `ln_pre`, and the tower's own class logits.

        `x`: normalised images `(B, 3, S, S)`, not yet scaled to `input_size`. The logits
        are `(B, C)`.
        """
        raise NotImplementedError

    def blocks(self) -> Iterable[nn.Module]:
        """The transformer blocks, each `(B, L, width) -> (B, L, width)`."""
        raise NotImplementedError

    def project(self, cls: Tensor) -> Tensor:
        """CLS `(B, width)` -> `ln_post` -> `(B, D)`."""
        raise NotImplementedError

    def pretrained_parameters(self) -> list[nn.Parameter]:
        """Parameters that came with weights and want a smaller learning rate."""
        raise NotImplementedError
