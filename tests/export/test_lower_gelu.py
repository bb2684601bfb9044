"""Quantizers before GELU: their range, and that they change no more than a step or two."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from export.frozen import FrozenFakeQuantize
from export.lower import StrippedEncoder
from export.lower_gelu import find_low_end
from quantize.encoder import quantize_encoder
from tests.collecting import skip_without

skip_without("nncf")
SIZE = 16


def gelu(x: float) -> float:
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


@pytest.mark.parametrize("step", [0.001, 0.01, 0.04, 0.2, 1.0])
def test_what_lies_below_the_range_rounds_to_zero(step: float) -> None:
    low = find_low_end(step)
    below = [low - 0.01 * number for number in range(1, 800)]
    assert all(abs(gelu(x)) <= step / 2 for x in [low, *below])
    # and the range is no wider than it must be
    assert step > 2 * 0.17 or abs(gelu(low + 0.02)) > step / 2


class Block(nn.Module):
    """Two convolutions with GELU between them, one with ReLU, and a sum."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 1)
        self.third = nn.Conv2d(8, 8, 1)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """`(B, 3, S, S)` to `(B, 8)`."""
        x = self.act(self.first(x))
        x = x + self.act(self.second(x) * 4)
        return self.third(x).relu().mean((2, 3))


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(8, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def stripped(images: Tensor, quantizers: None) -> StrippedEncoder:
    return StrippedEncoder(quantize_encoder(Block(), [images], overflow_fix=True), SIZE)


def count_frozen(encoder: nn.Module) -> int:
    return sum(isinstance(module, FrozenFakeQuantize) for module in encoder.modules())


def test_each_gelu_has_one_and_only_for_engines_that_need_it(
    stripped: StrippedEncoder, images: Tensor
) -> None:
    fake = stripped.freeze("fake")
    decomposed = stripped.freeze("decomposed")
    assert count_frozen(decomposed) == count_frozen(fake) + 2
    with torch.no_grad():
        wanted = fake(images)
        found = decomposed(images)
    assert not torch.equal(found, wanted)  # they are there and round
    assert (found - wanted).abs().max() < 0.02 * wanted.abs().max()


def test_what_lies_outside_of_a_range_rounds_to_the_same_level(stripped: StrippedEncoder) -> None:
    decomposed = stripped.freeze("decomposed")
    hooks = {
        name: module
        for name, module in decomposed.named_modules()
        if isinstance(module, FrozenFakeQuantize)
    }
    before = [name for name in hooks if "pre_hooks" in name and "/gelu/" in name]
    assert len(before) == 2
    for name in before:
        after = name.replace("pre_hooks", "post_hooks")
        mine, next_one = hooks[name], hooks[after]
        assert mine.limits == next_one.limits == (-128, 127)
        low, high = ((level - mine.scalar_zero) * mine.scalar_scale for level in mine.limits)
        assert abs(gelu(low)) <= next_one.scalar_scale / 2  # rounds to 0, as all below it
        top = (127 - next_one.scalar_zero) * next_one.scalar_scale
        assert top * (1 - 1e-6) <= high <= top + 2 * mine.scalar_scale
