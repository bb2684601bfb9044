"""A backbone with one linear classifier.

It is the baseline of the student, and the start of a teacher's CNN or of that baseline.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gazeclip.networks.backbones import build_encoder, scale_images
from gazeclip.networks.weights import backbone_stats


class ClassifierOutput(NamedTuple):
    """logits `(B, C)`, fake_logit `(B, 1)`."""

    logits: Tensor
    fake_logit: Tensor


class BackboneClassifier(nn.Module):
    """Backbone and one linear classifier `(B, C)`.

    The detection score is the log odds of any forgery against real. Mean and std are those of the
    weights it starts from, and are part of what is saved. `input_size`: side in pixels to which it
    scales its images, 0 as they come.
    """

    def __init__(
        self,
        backbone: str,
        weights: str,
        n_classes: int,
        drop_path: float = 0.0,
        input_size: int = 0,
    ) -> None:
        super().__init__()
        self.source = {"backbone": backbone, "weights": weights, "input_size": input_size}
        self.input_size = input_size
        self.encoder = build_encoder(backbone, weights, drop_path)
        mean, std = backbone_stats(backbone, weights)
        self.register_buffer("mean", 255.0 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255.0 * torch.tensor(std).view(1, 3, 1, 1))
        self.mean: Tensor
        self.std: Tensor
        features = int(getattr(self.encoder, "head_hidden_size", 0) or self.encoder.num_features)  # type: ignore[arg-type]
        self.classifier = nn.Linear(features, n_classes)

    def forward(self, pixels: Tensor) -> ClassifierOutput:
        """uint8 pixels `(B, 3, S, S)`."""
        images = scale_images((pixels.float() - self.mean) / self.std, self.input_size)
        features = self.encoder(images.contiguous(memory_format=torch.channels_last))
        logits = self.classifier(features)
        # Log odds (B, 1) of all forgeries together against class 0, real.
        fake_logit = torch.logsumexp(logits[:, 1:], dim=-1, keepdim=True) - logits[:, :1]
        return ClassifierOutput(logits, fake_logit)
