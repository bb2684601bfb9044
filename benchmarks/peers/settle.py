"""Statistics for batch norms of networks that were not trained, or hardly."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def settle_statistics(network: nn.Module, images: Tensor, spare: nn.Module | None = None) -> None:
    """Let the batch norms of `network` take their statistics from `images`; it ends in eval mode.

    With those that they start with, values die away or grow from layer to layer. A trained network
    has none of that, and numbers below the normal range slow a CPU down many times, so that a
    latency would be that of the bad start. Behind a short training the running ones still remember
    weights that it has moved far from (Wu and Johnson, arXiv:2105.07576).

    Args:
        spare: a part of it whose norms keep theirs.
    """
    kept = set() if spare is None else set(spare.modules())
    norms = [
        part
        for part in network.modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part not in kept
    ]
    moments = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all that is seen
        norm.train()
    with torch.no_grad():
        network(images)
    for norm, momentum in zip(norms, moments, strict=True):
        norm.momentum = momentum
    network.eval()
