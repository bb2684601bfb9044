"""OpenVINO IR in OpenVINO against PyTorch."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gazeclip.bundle.layout import OUTPUTS
from quantize.encoder import count_quantizers

ov = pytest.importorskip("openvino")
from export.targets import openvino as target  # noqa: E402


@pytest.fixture(scope="module")
def exported(make_job: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Export a precision when it is first asked for: the folder and what `export` says of it."""

    @functools.cache
    def export_once(precision: str) -> tuple[Path, dict[str, Any]]:
        folder = tmp_path_factory.mktemp(precision)
        return folder, target.export(make_job(precision, folder))

    return export_once


@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8", "int8"])
def test_file_matches_pytorch_at_any_batch_size(
    exported: Any, images: np.ndarray, expected: Any, check: Any, precision: str
) -> None:
    folder, result = exported(precision)
    model = ov.Core().read_model(folder / result["model"])
    assert model.get_rt_info(["gazeclip", "precision"]).astype(str) == precision
    # benchmark_app and others look for the batch there.
    assert str(model.get_parameters()[0].get_layout()) == "[N,H,W,C]"
    # Some CPUs would otherwise compute in bfloat16.
    compiled = ov.Core().compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    )
    found = compiled({"image": images})
    check({name: found[name] for name in OUTPUTS}, expected[precision], precision)
    np.testing.assert_allclose(
        compiled({"image": images[:1]})["embedding"], found["embedding"][:1], atol=2e-6
    )


def test_int8_weights_are_stored_as_bytes(
    exported: Any, student: Any, quantized: torch.nn.Module
) -> None:
    folder, result = exported("int8")
    notes = result["notes"]
    weights = sum(value.numel() for value in student.encoder.parameters() if value.ndim == 4)
    few = 30_000  # biases and scales, which are float32 as the head is
    others = sum(value.numel() for value in student.head.state_dict().values()) + few
    assert 3 * weights > 4 * few  # or filters in float32 would not be seen
    assert (folder / "model.bin").stat().st_size < weights + 4 * others
    count = count_quantizers(quantized)["convolutions"]
    assert count > 20
    assert (notes["quantized_convolutions"], notes["float_convolutions"]) == (count, 0)
