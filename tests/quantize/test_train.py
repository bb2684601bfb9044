"""Training through quantizers: which rate each parameter gets, and what matching means."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazeclip.networks.student import StudentOutput
from gazeclip.recipe.training import TrainConfig
from quantize.encoder import named_quantizers, quantize_encoder
from quantize.train import MatchLoss, split_ranges

CONFIG = TrainConfig(lr=0.01, weight_decay=0.1)


class Small(nn.Module):
    """Two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3)
        self.second = nn.Conv2d(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu()).relu()


def test_ranges_learn_at_their_own_rate_and_nothing_is_lost(quantizers: None) -> None:
    quantized = quantize_encoder(Small(), [torch.rand(4, 3, 32, 32)], overflow_fix=True)
    matrices, vectors, ranges = split_ranges(quantized, CONFIG, scale=3.0)
    assert (matrices["lr"], vectors["lr"], ranges["lr"]) == (0.01, 0.01, 0.03)
    assert (matrices["weight_decay"], vectors["weight_decay"], ranges["weight_decay"]) == (
        0.1,
        0,
        0,
    )
    assert [tuple(value.shape) for value in matrices["params"]] == [(4, 3, 3, 3), (4, 4, 3, 3)]
    assert [tuple(value.shape) for value in vectors["params"]] == [(4,), (4,)]
    # One range for each quantizer; weights' have one value a channel and are no matrices.
    assert len(ranges["params"]) == len(named_quantizers(quantized))
    trained = sum(len(group["params"]) for group in (matrices, vectors, ranges))
    assert trained == sum(value.requires_grad for value in quantized.parameters())


def build_output(seed: int, shift: float = 0.0) -> StudentOutput:
    generator = torch.Generator().manual_seed(seed)
    embedding = nn.functional.normalize(torch.randn(5, 8, generator=generator), dim=-1)
    logits = torch.randn(5, 3, generator=generator)
    fake_logit = torch.randn(5, 1, generator=generator)
    return StudentOutput(embedding, logits, fake_logit, torch.full((5, 2), 0.1 + shift))


def test_equal_answers_match_and_each_output_counts() -> None:
    match = MatchLoss(2.0, torch.tensor([0.2, 0.3]))
    wanted = build_output(0)
    assert float(match(wanted, wanted)) < 1e-6
    other = build_output(1, shift=0.2)
    for name in StudentOutput._fields:
        moved = wanted._replace(**{name: getattr(other, name)})
        assert float(match(moved, wanted)) > 1e-3, name
    # The gaze is measured in spreads: smooth L1 of 1 and of 2/3.
    turned = wanted._replace(gaze=other.gaze)
    expected = (0.5 * 1.0 + 0.5 * (2 / 3) ** 2) / 2
    assert abs(float(match(turned, wanted)) - expected) < 1e-5
