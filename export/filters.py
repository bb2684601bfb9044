"""The student whose filters are what a w8 file holds of them.

As with the head, values are rounded before the conversion, so that all targets find the same levels
again, and so that parity compares a file with a model of the same weights.
"""

from __future__ import annotations

import torch
from torch import nn

from export.packed_matrix import FEWEST_VALUES, round_to_levels
from gazeclip.networks.student import Student
from quantize.fuse import prepare_encoder


def round_filters(student: Student) -> Student:
    """A copy with a folded encoder, its larger convolutions' weights on 255 levels a filter."""
    encoder = prepare_encoder(student.encoder, student.spec.contract.size)
    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() >= FEWEST_VALUES:
            rounded = round_to_levels("", layer.weight.detach().numpy()).unpack()
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(rounded))
    return student.with_encoder(encoder).eval()
