"""A layer whose quantizer was spoiled is found, and everything is switched on again afterwards."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gazeclip.networks.student import StudentOutput
from gazeclip.scoring.evidence import Evidence
from quantize import sensitivity
from quantize.encoder import named_quantizers, quantize_encoder
from quantize.figure import draw_bars
from quantize.layers import map_operations
from quantize.sensitivity import build_table, measure_sensitivity

SIZE = 16


class Small(nn.Module):
    """An encoder of three convolutions; its means are the scores."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 6, 3)
        self.second = nn.Conv2d(6, 6, 3)
        self.third = nn.Conv2d(6, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x).relu()).relu()
        return self.third(x).mean(dim=(2, 3))


class Model(nn.Module):
    """As a student: pixels in, scores out."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(2, 2)
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(2))
            self.head.bias.zero_()

    def forward(self, pixels: Tensor) -> StudentOutput:
        found = self.head(self.encoder(pixels.float() / 255))
        return StudentOutput(found, found, found[:, :1], found)


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Any:
    pixels = torch.randint(0, 256, (12, 3, SIZE, SIZE), dtype=torch.uint8)
    monkeypatch.setattr(sensitivity, "_read_pixels", lambda workshop: pixels)
    evidence = Evidence(("detection",), (1.0,), 0.0, -9.0, 9.0)
    return SimpleNamespace(
        context=SimpleNamespace(contract=SimpleNamespace(size=SIZE)),
        student=Model(Small().eval()),
        judge=SimpleNamespace(twin_rule=SimpleNamespace(evidence=evidence)),
    )


def spoil(workshop: Any, layers: list[str]) -> nn.Module:
    """A quantized encoder in which these layers' weights have ranges that are too small."""
    images = [torch.rand(4, 3, SIZE, SIZE)]
    quantized = quantize_encoder(workshop.student.encoder, images, overflow_fix=True).eval()
    operations = map_operations(workshop.student.encoder, torch.zeros(1, 3, SIZE, SIZE))
    spoiled = [operations[layer] for layer in layers]
    for name, quantizer, on_weight in named_quantizers(quantized):
        if on_weight and any(operation in name for operation in spoiled):
            with torch.no_grad():
                quantizer.scale.mul_(0.2)  # type: ignore[operator]
    return quantized


def test_the_spoiled_layer_comes_first(workshop: Any, quantizers: None) -> None:
    quantized = spoil(workshop, ["second"])
    rows = measure_sensitivity(workshop, Model(quantized))  # type: ignore[arg-type]
    assert {row.layer for row in rows} == {"first", "second", "third"}
    assert rows[0].layer == "second" and rows[0].error_without < 0.5 * rows[0].error_with
    assert all(q.is_enabled_quantization() for _, q, _ in named_quantizers(quantized))  # type: ignore[operator]
    # What is measured is the root mean square of the LLR's difference, with the float's weights.
    model = Model(quantized)
    model.encoder.load_state_dict(workshop.student.encoder.state_dict(), strict=False)
    pixels = sensitivity._read_pixels(workshop)
    with torch.no_grad():
        gap = model(pixels).fake_logit - workshop.student(pixels).fake_logit
    assert rows[0].error_with == pytest.approx(float(np.sqrt(np.mean(gap.numpy() ** 2))), rel=1e-5)
    assert build_table(rows).rows[0][0] == "second"


def test_layers_that_hide_each_other_both_come_first(workshop: Any, quantizers: None) -> None:
    quantized = spoil(workshop, ["first", "third"])
    with torch.no_grad():  # as if a training had moved them: they are as they were afterwards
        quantized.get_submodule("second").bias += 3.0  # type: ignore[operator]
    before = {name: value.clone() for name, value in quantized.state_dict().items()}
    rows = measure_sensitivity(workshop, Model(quantized))  # type: ignore[arg-type]
    assert {rows[0].layer, rows[1].layer} == {"first", "third"}
    assert rows[2].error_alone < 0.5 * rows[1].error_alone
    after = quantized.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_head_that_was_tuned_is_no_layers_fault(workshop: Any, quantizers: None) -> None:
    quantized = spoil(workshop, ["second"])
    wanted = measure_sensitivity(workshop, Model(quantized))  # type: ignore[arg-type]
    tuned = Model(quantized)
    with torch.no_grad():
        tuned.head.bias += 2.0
    assert measure_sensitivity(workshop, tuned) == wanted  # type: ignore[arg-type]
    assert torch.equal(tuned.head.bias.detach(), torch.full((2,), 2.0))


def test_bars_are_as_long_as_what_they_show() -> None:
    figure = draw_bars([("a<b", 2.0), ("c", 1.0)], "gain")
    assert "a&lt;b" in figure and 'width="360.0"' in figure and 'width="180.0"' in figure
    assert "+2.000" in figure
    below = draw_bars([("a", 1.0), ("b", -1.0)], "gain")
    assert below.count('width="180.0"') == 2  # half the room for either side
