"""Convolutions and NNCF's names of them; those that are to stay in float do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gazeclip.errors import StageError
from quantize.encoder import count_quantizers, named_quantizers, quantize_encoder
from quantize.layers import (
    find_layers_before,
    find_pooled_layers,
    map_inputs,
    map_operations,
    name_operations,
)

EXAMPLE = torch.zeros(1, 3, 16, 16)


class Twice(nn.Module):
    """Two blocks of equal names, and an addition that both read."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, 3, S, S)` to `(B, 4, S, S)`."""
        x = self.stem(x).relu()
        for block in self.blocks:
            x = x + block(x)
        return x


def test_every_convolution_has_an_operation_of_its_own(quantizers: None) -> None:
    found = map_operations(Twice(), EXAMPLE)
    assert list(found) == ["stem", "blocks.0.0", "blocks.1.0"]
    assert len(set(found.values())) == 3
    inputs = map_inputs(Twice(), EXAMPLE)
    assert "relu" in inputs["blocks.0.0"] and "add" in inputs["blocks.1.0"]


def test_layers_named_stay_in_float(quantizers: None) -> None:
    network = Twice()
    images = [torch.rand(4, 3, 16, 16)]
    whole = quantize_encoder(network, images, overflow_fix=True)
    partly = quantize_encoder(network, images, overflow_fix=True, float_layers=["blocks.1.0"])
    assert count_quantizers(whole)["weight_quantizers"] == 3
    assert count_quantizers(partly)["weight_quantizers"] == 2
    operation = map_operations(network, EXAMPLE)["blocks.1.0"]
    assert not any(
        operation in name for name, _, on_weight in named_quantizers(partly) if on_weight
    )


def test_layers_whose_output_an_activation_reads(quantizers: None) -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 4, 1)
            self.second = nn.Conv2d(4, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = nn.functional.gelu(self.first(x))
            return x + self.second(x)

    assert find_layers_before(Branches(), EXAMPLE, ["gelu"]) == ["first"]
    assert find_layers_before(Branches(), EXAMPLE, ["add"]) == ["second"]
    assert find_layers_before(Branches(), EXAMPLE, ["relu"]) == []


def test_an_unknown_layer_is_refused(quantizers: None) -> None:
    assert name_operations(Twice(), [], EXAMPLE) == []
    with pytest.raises(StageError, match=r"no such convolution: blocks\.7\.0"):
        name_operations(Twice(), ["blocks.7.0"], EXAMPLE)


def test_a_layer_over_one_place_is_told_from_one_over_a_small_map() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=8), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.ReLU()
    )
    assert find_pooled_layers(network, EXAMPLE) == ["2"]
