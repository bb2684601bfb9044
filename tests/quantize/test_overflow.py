"""What the overflow fix is for: products of 8 bits on x86 CPUs without VNNI, in plain NumPy.

`vpmaddubsw` multiplies unsigned data by signed weights, adds each product to its neighbour's and
cuts the sum off at 16 bits; `vpmaddwd` then adds pairs of these sums in 32 bits (Intel 64 and IA-32
Architectures Software Developer's Manual, volume 2, PMADDUBSW and PMADDWD).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gazeclip.networks import torchvision_shim
from quantize.encoder import named_quantizers, quantize_encoder
from quantize.fuse import prepare_encoder
from quantize.seven_bits import bound_levels

SIZE = 32
LOWEST = -(2**15)
HIGHEST = 2**15 - 1
BRIGHTEST = 255
# Filters of each convolution, which tell them apart.
FILTERS = (16, 24, 40)


def _add_pairs_in_16_bits(data: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sums of products as an engine forms them without VNNI.

    Args:
        data: uint8 `(K,)`, K even.
        weights: int8 `(N, K)`.

    Returns:
        int64 `(N,)`.
    """
    products = data.astype(np.int64) * weights.astype(np.int64)  # (N, K)
    pairs = products[:, 0::2] + products[:, 1::2]  # (N, K / 2)
    return np.clip(pairs, LOWEST, HIGHEST).sum(axis=1)


class _Network(nn.Module):
    """Three convolutions. NNCF's hooks become a module of it, so it is no `Sequential` itself."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        channels = 3
        for filters in FILTERS:
            layers += [nn.Conv2d(channels, filters, 3), nn.ReLU()]
            channels = filters
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(x)
        return found


def _quantize(network: nn.Module, overflow_fix: bool) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    batches = [torch.randn(4, 3, SIZE, SIZE, generator=generator)]
    return quantize_encoder(network, batches, overflow_fix=overflow_fix).eval()


def _list_levels(quantized: nn.Module) -> list[np.ndarray]:
    """The integer weights of each convolution `(N, K)`, channels of one place side by side.

    Where K is odd, a column of zeros makes it even, as engines do.
    """
    weights = {}
    for module in quantized.modules():
        if isinstance(module, nn.Conv2d):
            weights[len(module.weight)] = module.weight
    found = []
    for _, quantizer, on_weight in named_quantizers(quantized):
        if not on_weight:
            continue
        scale = quantizer.scale.detach()  # (N, 1, 1, 1), of level 127
        with torch.no_grad():
            rounded = quantizer(weights[len(scale)])
        levels = np.rint((rounded / (scale / 127)).numpy()).astype(np.int64)
        flat = levels.transpose(0, 2, 3, 1).reshape(len(levels), -1)
        found.append(np.pad(flat, ((0, 0), (0, flat.shape[1] % 2))))
    assert [len(levels) for levels in found] == list(FILTERS)
    return found


@pytest.fixture(scope="module")
def levels(quantizers: None) -> dict[bool, list[np.ndarray]]:
    """Integer weights with and without the fix, of one network."""
    torchvision_shim.ensure()  # NNCF imports it
    network = _Network().eval()
    found = {}
    for fix in (True, False):
        found[fix] = _list_levels(_quantize(network, fix))
    return found


def test_weights_that_training_moved_beyond_seven_bits_are_brought_back(quantizers: None) -> None:
    torchvision_shim.ensure()
    network = _Network().eval()
    quantized = _quantize(network, True)
    prepared = prepare_encoder(network, SIZE)
    example = torch.zeros(1, 3, SIZE, SIZE)
    assert bound_levels(quantized, prepared, example) == 0
    before = [levels.copy() for levels in _list_levels(quantized)]
    with torch.no_grad():
        for module in quantized.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(1.2)
    assert max(abs(levels).max() for levels in _list_levels(quantized)) > 70
    assert bound_levels(quantized, prepared, example) > len(FILTERS)
    after = _list_levels(quantized)
    for small, bounded in zip(before, after, strict=True):
        assert abs(bounded).max() == 64
        assert (abs(bounded) >= abs(small)).all()  # those within are as the training left them


def test_depthwise_convolutions_keep_all_eight_bits(quantizers: None) -> None:
    torchvision_shim.ensure()
    network = _Network().eval()
    network.layers[2] = nn.Conv2d(FILTERS[0], FILTERS[0], 3, groups=FILTERS[0])
    network.layers[4] = nn.Conv2d(FILTERS[0], FILTERS[2], 3)
    quantized = _quantize(network, True)
    example = torch.zeros(1, 3, SIZE, SIZE)
    assert bound_levels(quantized, prepare_encoder(network, SIZE), example) == 0
    scales = [part.scale for _, part, on_weight in named_quantizers(quantized) if on_weight]
    weight = quantized.get_submodule("layers.2").weight
    assert (weight.abs() / scales[1].detach().abs()).max() > 0.9  # type: ignore[operator,union-attr]


def test_two_products_of_eight_bits_do_not_fit_and_of_seven_they_do() -> None:
    data = np.array([BRIGHTEST, BRIGHTEST], np.uint8)
    weights = np.array([[127, 127], [-128, -128], [64, 64], [-64, -64], [127, -127]], np.int8)
    expected = [32_767, -32_768, 32_640, -32_640, 0]
    np.testing.assert_array_equal(_add_pairs_in_16_bits(data, weights), expected)


def test_with_the_fix_no_data_at_all_overflows(levels: dict[bool, list[np.ndarray]]) -> None:
    for weights in levels[True]:
        # The worst data of each pair: the brightest where that adds to the sum, else 0.
        largest = BRIGHTEST * (np.maximum(weights, 0)[:, 0::2] + np.maximum(weights, 0)[:, 1::2])
        least = BRIGHTEST * (np.minimum(weights, 0)[:, 0::2] + np.minimum(weights, 0)[:, 1::2])
        assert largest.max() <= HIGHEST and least.min() >= LOWEST


@pytest.mark.parametrize("fix", [True, False])
def test_bright_data_gives_wrong_sums_without_the_fix_only(
    levels: dict[bool, list[np.ndarray]], fix: bool
) -> None:
    for weights in levels[fix]:
        data = np.full(weights.shape[1], BRIGHTEST, np.uint8)
        wrong = _add_pairs_in_16_bits(data, weights) != weights @ data.astype(np.int64)
        assert wrong.any() == (not fix)
