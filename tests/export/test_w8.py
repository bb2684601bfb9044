"""Weights of 8 bits for computing in float: what the files of each target hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.filters import round_filters
from export.head_weights import require_packed_convolutions
from export.registry import load_target
from gazeclip.bundle.layout import OUTPUTS
from gazeclip.errors import StageError
from tests.export.test_head_weights import RUNNERS

onnx = pytest.importorskip("onnx")
_SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("tflite", "coreml")]
_FEWEST = 1024


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path, path.with_suffix(".bin")]
    return sum(file.stat().st_size for file in files if file.is_file())


def _export(make_job: Any, target: str, precision: str, folder: Path) -> Path:
    folder.mkdir()
    result = load_target(target).export(make_job(precision, folder))
    return folder / result["model"]


def _round_weights(path: Path) -> int:
    """The same in float32 in a file that keeps its float32 constants; how many were rounded."""
    model = onnx.load(path)
    constants = {item.name: item for item in model.graph.initializer}
    rounded = 0
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        constant = constants[node.input[1]]
        weight = onnx.numpy_helper.to_array(constant).copy()
        if weight.size < _FEWEST:
            continue
        for output in weight:  # one filter; changed in its place
            step = np.float32(max(abs(output.min()), output.max()) / 127)
            output[...] = np.round(output / step) * step
        constant.CopyFrom(onnx.numpy_helper.from_array(weight, constant.name))
        rounded += 1
    onnx.save(model, path)
    return rounded


@pytest.mark.parametrize("target", ["onnx", "openvino", *_SLOW])
def test_a_file_answers_as_the_float_one_whose_filters_were_rounded(
    make_job: Any, images: np.ndarray, tmp_path: Path, target: str
) -> None:
    plain = _export(make_job, "onnx", "fp32", tmp_path / "plain")
    before = RUNNERS["onnx"](plain, images)
    assert _round_weights(plain) > 10
    wanted = RUNNERS["onnx"](plain, images)
    found = RUNNERS[target](_export(make_job, target, "w8", tmp_path / "w8"), images)
    for name in OUTPUTS:
        # Beside this, other orders of sums, and weights that lie between two levels.
        moved = np.abs(wanted[name] - before[name]).max()
        assert np.abs(found[name] - wanted[name]).max() < 0.25 * moved, name


@pytest.mark.parametrize("target", ["onnx", "openvino", *_SLOW])
def test_a_file_is_as_small_as_its_weights_and_no_convolution_is_of_integers(
    make_job: Any, student: Any, tmp_path: Path, target: str
) -> None:
    plain = _export(make_job, target, "fp32", tmp_path / "fp32")
    folder = tmp_path / "w8"
    folder.mkdir()
    result = load_target(target).export(make_job("w8", folder))
    assert result["notes"]["quantized_convolutions"] == 0
    weights = [value.numel() for value in student.encoder.parameters() if value.ndim == 4]
    saved = 3 * sum(size for size in weights if size >= _FEWEST)
    # A scale for each output, and what describes the operations.
    assert 0.9 * saved < _size(plain) - _size(folder / result["model"]) <= saved


class Grouped(torch.nn.Module):
    """Two groups of filters of very different lengths, and a filter that is computed."""

    def __init__(self, computed: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv2d(32, 32, 3, groups=2)
        with torch.no_grad():
            self.layer.weight[::2] *= 100
        self.computed = computed

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(1, 32, 8, 8)`."""
        if self.computed:
            weight = self.layer.weight * x.mean()
            return torch.nn.functional.conv2d(x, weight, groups=2)
        found: torch.Tensor = self.layer(x)
        return found


def test_each_filter_of_a_group_has_a_scale_of_its_own_in_openvino() -> None:
    ov = pytest.importorskip("openvino")
    from export.targets.openvino import _store_convolutions

    model = Grouped(computed=False).eval()
    x = torch.rand(1, 32, 8, 8)
    ir = ov.convert_model(model, example_input=x)
    assert _store_convolutions(ir) == []
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    found = next(iter(ov.Core().compile_model(ir, "CPU", settings)(x.numpy()).values()))
    weight = model.layer.weight.detach()
    step = weight.abs().amax(dim=(1, 2, 3), keepdim=True) / 127
    with torch.no_grad():
        model.layer.weight.copy_((weight / step).round() * step)
        wanted = model(x).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_filters_that_are_computed_are_refused() -> None:
    ov = pytest.importorskip("openvino")
    from export.targets.openvino import _store_convolutions

    ir = ov.convert_model(Grouped(computed=True).eval(), example_input=torch.rand(1, 32, 8, 8))
    left = _store_convolutions(ir)
    assert len(left) == 1
    with pytest.raises(StageError, match=f"{left[0]}.* cannot be stored in 8 bits"):
        require_packed_convolutions(left, "openvino w8")


@pytest.mark.parametrize("target", ["onnx", "openvino", *_SLOW])
def test_a_file_holds_the_very_filters_of_the_rounded_student(
    make_job: Any, images: np.ndarray, tmp_path: Path, target: str
) -> None:
    job = make_job("w8", tmp_path)
    rounded = round_filters(job.student)
    path = tmp_path / load_target(target).export(replace(job, student=rounded))["model"]
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    with torch.no_grad():
        wanted = rounded(pixels)
        plain = job.student(pixels)
    found = RUNNERS[target](path, images)
    for name in OUTPUTS:
        away = np.abs(found[name] - getattr(wanted, name).numpy()).max()
        moved = float((getattr(wanted, name) - getattr(plain, name)).abs().max())
        assert away < 2e-4 and away < 0.05 * moved, name
