"""Ways to run a trained teacher with one of its parts switched off; each puts it back afterwards.

A switch changes a few parameters, or the weights of the fusion, and keeps what was there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazeclip.teacher.model import GazeCLIP

TEXT_SEED = 0  # of the random texts: the same ones for every teacher of that size


@contextlib.contextmanager
def hold_values(parameters: Sequence[nn.Parameter], value: float) -> Iterator[None]:
    """All these parameters at one value."""
    before = [parameter.detach().clone() for parameter in parameters]
    try:
        with torch.no_grad():
            for parameter in parameters:
                parameter.fill_(value)
        yield
    finally:
        with torch.no_grad():
            for parameter, kept in zip(parameters, before, strict=True):
                parameter.copy_(kept)


@contextlib.contextmanager
def close_vpe(model: GazeCLIP) -> Iterator[None]:
    """Gamma at 0: the visual perception encoder is a layer norm of the image's embedding."""
    gates = [] if model.vpe.attention is None else [model.vpe.gamma]
    with hold_values(gates, 0.0):
        yield


@contextlib.contextmanager
def silence_gaze(model: GazeCLIP) -> Iterator[None]:
    """Prompts of zeros and a closed VPE: an image as `gaze.dropout` shows it without gaze."""
    if model.gaze_prompts is None:
        yield
        return

    def blank(_module: nn.Module, _features: Any, prompts: Tensor) -> Tensor:
        return torch.zeros_like(prompts)

    hook = model.gaze_prompts.register_forward_hook(blank)
    try:
        with close_vpe(model):
            yield
    finally:
        hook.remove()


@contextlib.contextmanager
def leave_out(model: GazeCLIP, weights: Sequence[str]) -> Iterator[None]:
    """What these weights of the loss have trained stays out of the fused scores.

    Args:
        weights: names such as `w_nce`; a score whose weight is 0 is not fused.
    """
    before = model.config
    zeros: dict[str, Any] = dict.fromkeys(weights, 0.0)
    try:
        model.config = replace(before, **zeros)
        yield
    finally:
        model.config = before


def encode_texts(model: GazeCLIP) -> tuple[Tensor, Tensor]:
    """`(embeddings (C, D), levels (C, levels, D))` as the gates stand now.

    Not what a frozen text side keeps: that was encoded before a gate was held at another value.
    """
    texts, levels = model.lre()
    return texts, levels


def encode_without_words(model: GazeCLIP) -> Tensor:
    """Texts `(C, D)` with every beta at 0: the word selectors change nothing."""
    betas: list[Any] = [selector.beta for selector in model.lre.selectors]
    with hold_values(betas, 0.0):
        return encode_texts(model)[0]


def mix_without_level(model: GazeCLIP, levels: Tensor, number: int) -> Tensor:
    """Texts `(C, D)` of `levels (C, levels, D)` without level `number` (from 0).

    Its weight leaves the mix and the others are renormalised: softmax does both with -inf.
    """
    weights = model.lre.level_weights
    before = weights.detach().clone()
    try:
        with torch.no_grad():
            weights[number] = float("-inf")
        return model.lre.mix_levels(levels)
    finally:
        with torch.no_grad():
            weights.copy_(before)


def draw_random_texts(classes: int, embed_dim: int, count: int) -> list[Tensor]:
    """`count` times `(C, D)`: unit vectors of even direction that know nothing of the prompts."""
    generator = torch.Generator().manual_seed(TEXT_SEED)
    drawn = torch.randn(count, classes, embed_dim, generator=generator)
    return list(F.normalize(drawn, dim=-1))
