"""A network in PyTorch, in the memory layout in which it is faster."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

_LAYOUT_CALLS = 3


def choose_layout(
    network: nn.Module, example: Tensor, convolutional: bool
) -> tuple[Callable[[], object], str]:
    """A pass in PyTorch in the faster memory layout, and its name."""
    plain = _call_torch(network, example)
    if not convolutional:
        return plain, ""
    images = example
    if example.shape[1] == 3:
        images = example.contiguous(memory_format=torch.channels_last)
    before = _time_calls(plain)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inner = _call_torch(network, images)
    if _time_calls(inner) < before:
        return inner, "channels last"
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return plain, "channels first"


def _call_torch(network: nn.Module, images: Tensor) -> Callable[[], object]:
    def call() -> object:
        with torch.inference_mode():
            return network(images)

    return call


def _time_calls(call: Callable[[], object]) -> float:
    """Seconds, the median of a few calls after one that is left out."""
    call()
    times = []
    for _ in range(_LAYOUT_CALLS):
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return statistics.median(times)
