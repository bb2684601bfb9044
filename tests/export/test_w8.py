"""Weights of 8 bits for computing in float: what the files of each target hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.registry import load_target
from gazeclip.bundle.layout import OUTPUTS
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
    assert _round_weights(plain) > 20
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
