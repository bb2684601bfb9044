"""The L2CS layout: ResNet-50 with two classifiers over 90 bins of 4 degrees.

Abdelrahman et al., arXiv:2203.03339.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gazeclip.errors import WeightsError
from gazeclip.networks.weights import load_backbone, load_strict, read_state
from gazeclip.teacher.gaze.encoder import GazeEncoder, GazeFeatures, flatten_map

_BINS = 90
_BIN_DEGREES = 4.0
_OFFSET_DEGREES = -180.0
_HEADS = ("fc_yaw_gaze", "fc_pitch_gaze")
# A head of an older fine-tuning scheme that the published files still carry.
_UNUSED = "fc_finetune"


class L2CS(GazeEncoder):
    """448 px face crop, ImageNet normalisation; features `(B, 196, 2048)`.

    An angle is the expectation of the bins' lower edges, sum(p_i * i) * 4 - 180 degrees.
    `fc_yaw_gaze` is the horizontal angle as its name says; the published demo hands it out under
    the name pitch.
    """

    bins: Tensor

    def __init__(self) -> None:
        super().__init__("L2CS ResNet-50")
        self.channels = 2048
        self.input_size = 448
        self.network = load_backbone("resnet50", "none", num_classes=0)
        # A quarter faster on a CPU with the channels innermost; the numbers agree to rounding.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.fc_yaw_gaze = nn.Linear(2048, _BINS)
        self.fc_pitch_gaze = nn.Linear(2048, _BINS)
        self.register_buffer("bins", torch.arange(_BINS, dtype=torch.float32), persistent=False)

    def load_file(self, path: str | Path) -> None:
        """Read a local weight file.

        Raises:
            WeightsError: unreadable or not of this layout.
        """
        state = read_state(path)
        for name in _HEADS:
            if f"{name}.weight" not in state:
                raise WeightsError(
                    f"{path} has no '{name}': not an L2CS file",
                    remedy="Check gaze.kind against the file",
                )
            head = {
                key.removeprefix(f"{name}."): state[key]
                for key in state
                if key.startswith(f"{name}.")
            }
            load_strict(getattr(self, name), head, path)
        trunk = {
            key: value for key, value in state.items() if not key.startswith((*_HEADS, _UNUSED))
        }
        load_strict(self.network, trunk, path)
        self.mark_trained(f"file {Path(path).name}")

    def _encode_images(self, x: Tensor) -> GazeFeatures:
        network: Any = self.network
        feature_map = network.forward_features(x)  # (B, 2048, 14, 14)
        pooled = feature_map.mean((2, 3))
        pitch = self._expected_angle(self.fc_pitch_gaze(pooled))
        yaw = self._expected_angle(self.fc_yaw_gaze(pooled))
        return GazeFeatures(flatten_map(feature_map), torch.stack((pitch, yaw), dim=-1))

    def _expected_angle(self, logits: Tensor) -> Tensor:
        # (B, 90) -> (B,), as the expectation that the network was trained by.
        degrees = (logits.softmax(-1) * self.bins).sum(-1) * _BIN_DEGREES + _OFFSET_DEGREES
        return degrees * (math.pi / 180.0)
