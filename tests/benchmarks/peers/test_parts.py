"""Aims, memory, statistics and the forms in which networks are converted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.peers import convert
from benchmarks.peers.aims import Aim, weigh_aims
from benchmarks.peers.room import find_shortage, read_free_mb
from benchmarks.peers.settle import settle_statistics


def test_a_ratio_is_that_of_the_medians() -> None:
    rows = [
        {"name": "small", "engine": "openvino", "precision": "int8", "p50_ms": 2.0},
        {"name": "large", "engine": "torch", "precision": "fp32", "p50_ms": 500.0},
        {"name": "none", "engine": "torch", "precision": "fp32", "p50_ms": None},
    ]
    small = ("small", "openvino", "int8")
    large = ("large", "torch", "fp32")
    aims = (
        Aim(small, large, 250.0),
        Aim(small, large, 251.0),
        Aim(small, ("none", "torch", "fp32"), 2.0),
        Aim(("absent", "torch", "fp32"), large, 2.0),
    )
    found = weigh_aims(rows, aims)
    assert [one["ratio"] for one in found] == [250.0, 250.0, None, None]
    assert [one["met"] for one in found] == [True, False, None, None]
    assert found[0]["of"] == "small openvino int8"


def test_a_network_that_memory_does_not_hold_is_not_loaded(tmp_path: Path) -> None:
    told = tmp_path / "meminfo"
    told.write_text("MemTotal:       9000000 kB\nMemAvailable:   2000000 kB\n")
    assert read_free_mb(told) == pytest.approx(2048.0)
    assert find_shortage(10.0, told) == ""
    assert "2048 MB are free" in find_shortage(500.0, told)
    assert find_shortage(500.0, tmp_path / "none") == ""


def test_settled_norms_give_unit_maps() -> None:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(12):
        # He's variance over 9 inputs too many: values die away from layer to layer
        layer = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        nn.init.normal_(layer.weight, std=0.01)
        layers += [layer, nn.BatchNorm2d(8, momentum=0.3), nn.ReLU()]
    network = nn.Sequential(nn.Conv2d(3, 8, 1), *layers).eval()
    images = torch.rand(4, 3, 16, 16)
    with torch.no_grad():
        assert float(network(images).abs().max()) < 1e-6
        settle_statistics(network, images)
        before_last_relu = network[:-1](images)
    assert float(before_last_relu.mean()) == pytest.approx(0.0, abs=1e-2)
    # A running variance is unbiased and the norm adds its epsilon to it.
    assert float(before_last_relu.std()) == pytest.approx(1.0, abs=0.2)
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    assert not any(norm.training for norm in norms)
    assert {norm.momentum for norm in norms} == {0.3}


def test_enlarging_plainly_changes_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = F.interpolate
    monkeypatch.setattr(F, "interpolate", plain)  # put back afterwards
    images = torch.rand(1, 3, 8, 8)
    options = {"mode": "bilinear", "antialias": True, "align_corners": False}
    larger = plain(images, size=(16, 16), **options)
    smaller = plain(images, size=(4, 4), **options)
    convert.enlarge_plainly()
    torch.testing.assert_close(F.interpolate(images, size=(16, 16), **options), larger)
    torch.testing.assert_close(F.interpolate(images, size=(4, 4), **options), smaller)
    without = plain(images, size=(4, 4), mode="bilinear", align_corners=False)
    assert float((without - smaller).abs().max()) > 0.01  # so that the last line can fail


def test_failed_conversions_are_told_and_memory_is_not(tmp_path: Path) -> None:
    def fail(target: str, precision: str, place: Path) -> dict[str, str]:
        raise {"onnx": ValueError("odd"), "tflite": MemoryError()}[target]

    assert convert.try_conversion(fail, "onnx", "fp32", tmp_path) == {"reason": "ValueError: odd"}
    with pytest.raises(MemoryError):
        convert.try_conversion(fail, "tflite", "fp32", tmp_path)
