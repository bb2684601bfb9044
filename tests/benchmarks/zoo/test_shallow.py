"""Students of fewer blocks, which the matrix is tried on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gazeclip.networks.backbones import build_encoder
from gazeclip.networks.zoo import read_zoo
from tests.benchmarks.zoo.shallow import shorten_stages


def test_first_and_last_block_stay() -> None:
    blocks = [nn.Linear(1, 1) for _ in range(5)]
    network = nn.Module()
    network.blocks = nn.Sequential(nn.Sequential(*blocks), nn.Sequential(*blocks[:2]))
    shorten_stages(network)
    kept = [list(stage) for stage in network.blocks]
    assert kept == [[blocks[0], blocks[4]], blocks[:2]]


def test_a_network_without_stages_is_refused() -> None:
    network = nn.Module()
    network.blocks = nn.Sequential(nn.Sequential(nn.Linear(1, 1)))
    with pytest.raises(AssertionError, match="Module has no stages"):
        shorten_stages(network)


@pytest.mark.parametrize("name", read_zoo())
def test_no_kind_of_layer_is_lost(name: str) -> None:
    with torch.device("meta"):
        full = build_encoder(name)
        short = shorten_stages(build_encoder(name))
    kinds = [{_describe_kind(part) for part in one.modules()} for one in (full, short)]
    assert kinds[0] == kinds[1]
    counts = [len(list(one.modules())) for one in (full, short)]
    assert counts[1] < counts[0]


def _describe_kind(part: nn.Module) -> tuple[str, ...]:
    """Its class; of a convolution also what changes how a converter writes it."""
    kind = type(part).__name__
    if not isinstance(part, nn.Conv2d):
        return (kind,)
    grouped = "depthwise" if part.groups > 1 else "dense"
    return (kind, grouped, str(part.kernel_size), str(part.stride))
