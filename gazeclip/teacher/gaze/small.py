"""A small gaze encoder for data sets that carry gaze labels; it starts untrained and says so."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from gazeclip.networks.weights import load_strict, read_state
from gazeclip.teacher.gaze.encoder import GazeEncoder, GazeFeatures, flatten_map

_WIDTHS = (24, 32, 64, 96)


class SmallGaze(GazeEncoder):
    """Four stride-2 stages to a stride-16 map, features `(B, 36, 96)`.

    The head keeps where things are (no global pooling).
    """

    def __init__(self) -> None:
        super().__init__("small gaze CNN", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
        self.channels = _WIDTHS[-1]
        self.input_size = 96
        stages: list[nn.Module] = [_conv_block(3, _WIDTHS[0], stride=2)]
        for inner, outer in pairwise(_WIDTHS):
            stages += [_conv_block(inner, outer, stride=2), _conv_block(outer, outer, stride=1)]
        self.trunk = nn.Sequential(*stages)
        cells = (self.input_size // 16) ** 2
        self.head = nn.Sequential(
            _conv_block(self.channels, 24, stride=1, kernel=1),
            nn.Flatten(),
            nn.Linear(24 * cells, 64),
            nn.ReLU(inplace=True),
            nn.Linear(64, 2),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Angles start near straight ahead: a large random gaze makes the first angular losses wrap
        # around.
        nn.init.normal_(self.head[-1].weight, std=0.01)  # type: ignore[arg-type]
        nn.init.zeros_(self.head[-1].bias)  # type: ignore[arg-type]

    def load_file(self, path: str | Path) -> None:
        """Weights of an earlier run of this network.

        Raises:
            WeightsError: unreadable or not of this layout.
        """
        load_strict(self, read_state(path), path)
        self.mark_trained(f"file {Path(path).name}")

    def _encode_images(self, x: Tensor) -> GazeFeatures:
        feature_map = self.trunk(x)  # (B, 96, 6, 6)
        return GazeFeatures(flatten_map(feature_map), self.head(feature_map))


def _conv_block(inner: int, outer: int, stride: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inner, outer, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outer),
        nn.ReLU(inplace=True),
    )
