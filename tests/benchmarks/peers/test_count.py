"""Work of a pass, against torch's own counter and against formulas."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.peers.count import count_work
from gazeclip.networks.student_encoder import build_student_encoder
from gazeclip.recipe.teacher import TeacherConfig
from gazeclip.teacher.image.clip import SMALL, small_visual


class SmallNetwork(nn.Module):
    """A convolution with groups, one with stride, a matrix, and a layer that no pass reads."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.deep = nn.Conv2d(8, 8, 5, groups=4, padding=2, bias=False)
        self.last = nn.Linear(8, 5)
        self.unused = nn.Linear(1000, 1000)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.last(self.deep(self.wide(images)).mean((2, 3)))
        return found


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


def count_with_torch(network: nn.Module, example: Tensor) -> float:
    """torch counts a multiplication and its sum as two; with gradients, or attention is hidden."""
    # It does not know the attention that CPUs have a kernel for.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        network(example)
    return counter.get_total_flops() / 2


def test_products_are_those_of_the_formulas_and_of_torchs_counter() -> None:
    network = SmallNetwork().eval()
    example = torch.rand(1, 3, 16, 16)
    work = count_work(network, example)
    places = 8 * 8  # of a map after the stride
    by_formula = places * 8 * 3 * 3 * 3 + places * 8 * 2 * 5 * 5 + 8 * 5
    assert work.macs == by_formula
    assert work.macs == count_with_torch(network, example)


def test_every_kind_of_product_is_counted_once() -> None:
    network = Mixed().eval()
    example = torch.rand(1, 3, 12, 16)
    assert count_work(network, example).macs == count_with_torch(network, example)


def test_a_students_encoder_as_torch_counts_it() -> None:
    encoder = build_student_encoder("mobilenetv4_conv_small_050", 64).eval()
    image = torch.rand(1, 3, 64, 64)
    found = count_work(encoder, image).macs
    assert found == count_with_torch(encoder, image) > 1e6


def test_only_weights_that_are_read_count() -> None:
    work = count_work(SmallNetwork().eval(), torch.rand(1, 3, 16, 16))
    assert work.weights == (8 * 3 * 9 + 8) + 8 * 2 * 25 + (8 * 5 + 5)
    assert work.ends == 3 * 16 * 16 + 5
    assert work.count_least_bytes("fp32") == 4 * (work.weights + work.ends)
    assert work.count_least_bytes("int8") == work.weights + work.ends
    # Two maps of 8 x 8 x 8 values are written and read between the three layers.
    maps = 2 * 2 * 8 * 8 * 8
    pooled = 8
    assert work.moved == work.weights + 3 * 16 * 16 + maps - 8 * 8 * 8 + pooled + 5


def test_attention_counts_queries_times_keys_and_values() -> None:
    config = TeacherConfig(
        tower="clip",
        clip_model=SMALL,
        clip_pretrained="none",
        width=32,
        depth=2,
        heads=4,
        embed_dim=16,
    )
    network = small_visual(config, 32).eval()
    example = torch.rand(1, 3, 32, 32)
    work = count_work(network, example)
    assert work.macs == count_with_torch(network, example)
    tokens = network.positional_embedding.shape[0]
    a_block = tokens * (4 + 8) * 32**2 + 2 * tokens**2 * 32  # projections and MLP, then attention
    patches = (tokens - 1) * 32 * network.conv1.weight[0].numel()
    assert work.macs == patches + 2 * a_block + 32 * 16
    assert torch.backends.mha.get_fastpath_enabled()
