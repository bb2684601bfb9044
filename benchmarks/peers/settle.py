"""Statistics for batch norms of networks with random weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def settle_statistics(network: nn.Module, images: Tensor) -> None:
    """Let the batch norms of `network` take their statistics from `images`.

    With those that they start with, values die away or grow from layer to layer. A trained network
    has none of that, and numbers below the normal range slow a CPU down many times, so that a
    latency would be that of the bad start.
    """
    norms = [
        part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)
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
