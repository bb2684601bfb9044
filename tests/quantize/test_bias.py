"""After accurate bias correction each channel's mean is the float network's."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from gazeclip.errors import StageError
from quantize.bias import correct_biases


class Rounded(nn.Module):
    """A small network whose activations are cut to a grid that shifts their means."""

    def __init__(self, step: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 8, 3)
        self.second = nn.Conv2d(8, 6, 3)
        self.plain = nn.Conv2d(6, 4, 1, bias=False)
        self.step = step

    def round_down(self, x: Tensor) -> Tensor:
        return torch.floor(x / self.step) * self.step if self.step else x

    def forward(self, x: Tensor) -> Tensor:
        x = self.round_down(self.first(x)).relu()
        return self.plain(self.round_down(self.second(x)).relu())


def measure_means(network: Rounded, images: Tensor) -> list[Tensor]:
    """Mean of each channel behind both convolutions with a bias."""
    with torch.no_grad():
        first = network.first(images)
        second = network.second(network.round_down(first).relu())
    return [first.mean(dim=(0, 2, 3)), second.mean(dim=(0, 2, 3))]


def test_every_layer_is_corrected_with_those_before_it_corrected() -> None:
    float_network = Rounded(0.0)
    rounded = Rounded(0.2)
    images = torch.rand(40, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    wanted = measure_means(float_network, images)
    before = measure_means(rounded, images)[1] - wanted[1]
    assert before.abs().max() > 0.02  # what there is to correct
    assert correct_biases(float_network, rounded, images) == 2  # the third has no bias
    for found, mean in zip(measure_means(rounded, images), wanted, strict=True):
        assert torch.allclose(found, mean, atol=1e-6)


def test_the_float_network_stays_as_it_is() -> None:
    float_network = Rounded(0.0)
    copied = copy.deepcopy(float_network.state_dict())
    correct_biases(float_network, Rounded(0.2), torch.rand(4, 3, 12, 12))
    assert all(
        torch.equal(copied[name], value) for name, value in float_network.state_dict().items()
    )
    assert not any(part._forward_hooks for part in float_network.modules())


def test_another_network_is_refused() -> None:
    with pytest.raises(StageError, match="other convolutions"):
        correct_biases(Rounded(0.0), nn.Sequential(nn.Conv2d(3, 8, 3)), torch.rand(1, 3, 12, 12))
