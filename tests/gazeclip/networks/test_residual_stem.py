"""The residual start against NumPy's least squares, and what such filters answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gazeclip.errors import ConfigError
from gazeclip.networks.residual_stem import start_with_residuals
from gazeclip.networks.weights import find_weight_faults, load_backbone

SMALL = "mobilenetv4_conv_small"


def first_convolution(network: nn.Module) -> nn.Conv2d:
    return next(module for module in network.modules() if isinstance(module, nn.Conv2d))


def residual_by_least_squares(colour: np.ndarray) -> np.ndarray:
    """One colour of one filter less its best plane."""
    rows, columns = np.mgrid[: colour.shape[0], : colour.shape[1]]
    plane = np.stack([np.ones(colour.size), rows.ravel(), columns.ravel()], axis=1)
    fit = plane @ np.linalg.lstsq(plane, colour.ravel(), rcond=None)[0]
    return colour - fit.reshape(colour.shape)


@pytest.mark.parametrize("side", [3, 5, 7])
def test_half_of_the_filters_are_residuals_of_the_same_norm(side: int) -> None:
    torch.manual_seed(side)
    network = nn.Sequential(nn.Conv2d(3, 8, side), nn.Conv2d(8, 8, 3)).double()
    before = [value.detach().clone() for value in network.parameters()]
    start_with_residuals(network)
    stem = first_convolution(network).weight.detach().numpy()
    for number in range(4):
        drawn = before[0][number].numpy()
        expected = np.stack([residual_by_least_squares(colour) for colour in drawn])
        expected *= np.linalg.norm(drawn) / np.linalg.norm(expected)
        np.testing.assert_allclose(stem[number], expected, atol=1e-12)
    np.testing.assert_array_equal(stem[4:], before[0][4:].numpy())
    for value, old in zip(list(network.parameters())[1:], before[1:], strict=True):
        assert torch.equal(value, old)


def test_residual_filters_see_a_grid_and_no_slope() -> None:
    torch.manual_seed(0)
    stem = first_convolution(load_backbone(SMALL, "residual"))
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    slope = (20.0 + 3.0 * rows - 2.0 * columns).expand(1, 3, 9, 9)
    grid = slope + torch.where((rows + columns) % 2 == 0, 1.0, -1.0)
    half = stem.out_channels // 2
    with torch.no_grad():
        weight = stem.weight[:half]
        of_slope = nn.functional.conv2d(slope, weight)
        of_grid = nn.functional.conv2d(grid, weight)
    assert of_slope.abs().max() < 1e-4
    assert of_grid.abs().amax((0, 2, 3)).min() > 1e-3


def test_all_but_the_stem_is_drawn_as_without() -> None:
    torch.manual_seed(0)
    plain = load_backbone(SMALL, "none").state_dict()
    torch.manual_seed(0)
    residual = load_backbone(SMALL, "residual").state_dict()
    other = [name for name, value in plain.items() if not torch.equal(value, residual[name])]
    assert other == ["conv_stem.weight"]


@pytest.mark.parametrize(
    "name",
    [
        "vit_tiny_patch16_224",  # filters of 16 pixels
        "swin_tiny_patch4_window7_224",  # of 4, and no two of them overlap
        "repvgg_a0",  # two branches see the image, and the other would see brightness
    ],
)
def test_a_network_without_such_a_stem_is_refused(name: str) -> None:
    (fault,) = find_weight_faults(name, "residual")
    assert fault.error is ConfigError
    assert fault.what.startswith(f"{name} has no single first convolution on RGB with overlapping")
    with pytest.raises(ConfigError, match="Use weights none"):
        load_backbone(name, "residual")
