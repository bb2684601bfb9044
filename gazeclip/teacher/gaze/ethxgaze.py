"""The ETH-XGaze layout: ResNet-18 with a direct regression of pitch and yaw.

Zhang et al., arXiv:2007.15837.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gazeclip.networks.weights import load_backbone, load_strict, read_state
from gazeclip.teacher.gaze.encoder import GazeEncoder, GazeFeatures, flatten_map


class EthXGaze(GazeEncoder):
    """ResNet-18 of ETH-XGaze: 224 px face crop -> features `(B, 49, 512)`, and pitch and yaw.

    ImageNet normalisation; radians. The file has torchvision's names, which timm's network shares,
    with `fc` of two outputs.
    """

    def __init__(self) -> None:
        super().__init__("ETH-XGaze ResNet-18")
        self.channels = 512
        self.input_size = 224
        self.network = load_backbone("resnet18", "none", num_classes=2)
        # A quarter faster on a CPU with the channels innermost; the numbers agree to rounding.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def load_file(self, path: str | Path) -> None:
        """Read a local weight file.

        Raises:
            WeightsError: unreadable or not of this layout.
        """
        load_strict(self.network, read_state(path), path)
        self.mark_trained(f"file {Path(path).name}")

    def _encode_images(self, x: Tensor) -> GazeFeatures:
        network: Any = self.network
        feature_map = network.forward_features(x)  # (B, 512, 7, 7)
        return GazeFeatures(flatten_map(feature_map), network.forward_head(feature_map))
