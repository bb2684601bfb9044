"""Layers whose gradients oneDNN computes past the end of its workspace.

What it does there is undefined, from a dead process to a wrong sum, so that only the layer that
takes its place can be tested.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from gazeclip.networks.backbones import build_encoder
from gazeclip.networks.strided_pointwise import StridedPointwise, replace_strided_pointwise


@pytest.mark.parametrize(("channels", "stride"), [(3, 2), (8, (1, 2)), (15, (3, 2))])
def test_gradients_are_those_of_double_precision(
    channels: int, stride: int | tuple[int, int]
) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(channels, 48, 1, stride=stride))
    exact = copy.deepcopy(network).double()
    assert replace_strided_pointwise(network) == 1
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pixels = torch.randn(4, channels, 31, 32)
    images = pixels.contiguous(memory_format=torch.channels_last).requires_grad_()
    doubled = pixels.double().requires_grad_()
    found, wanted = network(images), exact(doubled)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-5)
    signs = torch.randn_like(wanted)
    found.backward(signs.float())
    wanted.backward(signs)
    assert images.grad is not None and doubled.grad is not None
    torch.testing.assert_close(images.grad.double(), doubled.grad, rtol=1e-4, atol=1e-5)
    for mended, plain in zip(network.parameters(), exact.parameters(), strict=True):
        assert mended.grad is not None and plain.grad is not None
        torch.testing.assert_close(mended.grad.double(), plain.grad, rtol=1e-4, atol=1e-4)


def test_all_other_layers_stay() -> None:
    layers = [
        nn.Conv2d(3, 8, 1),
        nn.Conv2d(3, 8, 3, stride=2),
        nn.Conv2d(16, 8, 1, stride=2),
        nn.Conv2d(3, 6, 1, stride=2, groups=3),
        nn.Conv2d(3, 8, 1, stride=2, padding=1),
    ]
    assert replace_strided_pointwise(nn.Sequential(*layers)) == 0
    assert {type(layer) for layer in layers} == {nn.Conv2d}


class _Strides(TorchDispatchMode):
    """Notes the stride of every convolution, in whatever direction."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[int]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution.default:
            self.seen.append(list(args[3]))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("training", [True, False])
def test_only_where_gradients_are_taken_is_it_another_operation(training: bool) -> None:
    """Training through quantizers goes on in eval mode; exported graphs are made without."""
    network = nn.Sequential(nn.Conv2d(3, 8, 1, stride=2)).train(training)
    replace_strided_pointwise(network)
    images = torch.randn(1, 3, 8, 8)
    with _Strides() as strides:
        network(images)
        with torch.no_grad():
            network(images)
        network.requires_grad_(False)(images)
    assert strides.seen == [[1, 1], [2, 2], [2, 2]]


def test_the_stem_of_fastvit_trains_channels_last() -> None:
    torch.manual_seed(0)
    network = build_encoder("fastvit_t8").train()
    layers = [part for part in network.modules() if isinstance(part, StridedPointwise)]
    assert [layer.in_channels for layer in layers] == [3]
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    exact = copy.deepcopy(network).double()
    images = torch.randn(2, 3, 64, 64)
    network(images.contiguous(memory_format=torch.channels_last)).square().sum().backward()
    exact(images.double()).square().sum().backward()
    wanted = next(part for part in exact.modules() if isinstance(part, StridedPointwise))
    assert layers[0].weight.grad is not None and wanted.weight.grad is not None
    scale = wanted.weight.grad.abs().max()
    distance = (layers[0].weight.grad.double() - wanted.weight.grad).abs().max() / scale
    assert distance < 1e-3
