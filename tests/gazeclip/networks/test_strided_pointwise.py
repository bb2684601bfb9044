"""Layers whose gradients oneDNN computes past the end of its workspace.

What it does there is undefined, from a dead process to a wrong sum, so that only the layer that
takes its place can be tested.
"""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

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


def test_what_is_exported_has_the_operation_that_it_had() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 1, stride=2)).eval()
    images = torch.randn(1, 3, 8, 8)
    before = torch.jit.trace(network, images).inlined_graph
    replace_strided_pointwise(network)
    after = torch.jit.trace(network, images).inlined_graph
    assert [node.kind() for node in after.nodes()] == [node.kind() for node in before.nodes()]


def test_a_student_of_the_zoo_trains_channels_last() -> None:
    torch.manual_seed(0)
    network = build_encoder("fastvit_t8").train()
    assert sum(isinstance(module, StridedPointwise) for module in network.modules()) == 1
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for _ in range(3):
        images = torch.randn(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
        network(images).square().sum().backward()
    assert all(
        torch.isfinite(value.grad).all() for value in network.parameters() if value.grad is not None
    )
