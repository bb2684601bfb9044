"""Students of the zoo of fewer blocks: every kind of operation, a fraction of the layers.

Whether a converter takes a network, and computes the same, hangs on which operations it holds and
not on how often. A stage keeps its first block, which halves the map or widens it, and its last:
attention stands at the end of a stage, squeeze-and-excitation at its beginning.
"""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from benchmarks.zoo.student import Subject, make_subject
from gazeclip.networks import student_encoder
from gazeclip.networks.zoo import ZooStudent


def make_shallow_subject(entry: ZooStudent, patch: pytest.MonkeyPatch) -> Subject:
    """As `make_subject`, with two blocks a stage."""
    build = student_encoder.build_encoder

    def build_shallow(*options: Any) -> nn.Module:
        return shorten_stages(build(*options))

    with patch.context() as scope:
        scope.setattr(student_encoder, "build_encoder", build_shallow)
        return make_subject(entry)


def shorten_stages(network: nn.Module) -> nn.Module:
    """Keep the first and the last block of each stage, in place."""
    shortened = 0
    for parent, name, blocks in _find_stages(network):
        if len(blocks) > 2:
            setattr(parent, name, nn.Sequential(blocks[0], blocks[-1]))
            shortened += 1
    assert shortened, f"{type(network).__name__} has no stages that are known here"
    return network


def _find_stages(network: Any) -> list[tuple[nn.Module, str, nn.Sequential]]:
    """Where timm keeps them: `blocks` of each of `stages`, or a sequence of sequences `blocks`."""
    if hasattr(network, "stages"):
        return [(stage, "blocks", stage.blocks) for stage in network.stages]
    return [(network.blocks, number, blocks) for number, blocks in network.blocks.named_children()]
