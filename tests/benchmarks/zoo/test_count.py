"""Multiplications against torch's own counter of operations, and parameters against sums."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.zoo.count import count_macs, count_parameters
from gazeclip.networks.student_encoder import build_student_encoder


class Mixed(nn.Module):
    """One of each kind that is counted, with groups, strides and batches of matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 5, padding=2, groups=8)
        self.mix = nn.Linear(8, 12)
        self.norm = nn.LayerNorm(12)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.depthwise(self.stem(images)).relu()  # (B, 8, h, w)
        tokens = self.norm(self.mix(maps.flatten(2).transpose(1, 2)))  # (B, h * w, 12)
        query, key, value = tokens.split((4, 4, 4), dim=2)
        attended = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])
        shares = torch.matmul(query, key.transpose(1, 2)).softmax(dim=2)
        return attended[:, 0] + shares @ value


def _count_by_torch(model: nn.Module, image: Tensor) -> int:
    # Spelled out, attention is two products of matrices; its fused kernel on CPUs is not counted.
    plain = sdpa_kernel(SDPBackend.MATH)
    with plain, FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return counter.get_total_flops() // 2  # it counts the addition of each pair as well


def test_every_kind_of_product_is_counted_once() -> None:
    model = Mixed().eval()
    image = torch.rand(1, 3, 12, 16)
    assert count_macs(model, image) == _count_by_torch(model, image)


def test_a_students_encoder_as_torch_counts_it() -> None:
    encoder = build_student_encoder("mobilenetv4_conv_small_050", 64).eval()
    image = torch.rand(1, 3, 64, 64)
    found = count_macs(encoder, image)
    assert found == _count_by_torch(encoder, image) > 1e6


def test_a_parameter_that_two_layers_share_counts_once() -> None:
    first = nn.Linear(3, 5)
    second = nn.Linear(3, 5)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    model.register_buffer("bank", torch.zeros(100))
    assert count_parameters(model) == 3 * 5 + 5 + 5
