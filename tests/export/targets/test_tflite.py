"""TFLite files in both interpreters against PyTorch."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.targets import tflite as target
from quantize.encoder import count_quantizers
from tests.collecting import skip_without

skip_without("litert_torch")


def _run(library: str, path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    interpreter = importlib.import_module(f"{library}.interpreter").Interpreter(
        model_path=str(path), num_threads=1
    )
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner("serving_default")
    rows = [runner(image=images[place : place + 1]) for place in range(len(images))]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8", "int8"])
def test_file_matches_pytorch_in_both_interpreters(
    job: Any,
    images: np.ndarray,
    expected: Any,
    quantized: torch.nn.Module,
    check: Any,
    tmp_path: Path,
    precision: str,
) -> None:
    result = target.export(job(precision))
    for library in ("ai_edge_litert", "tflite_runtime"):
        check(_run(library, tmp_path / result["model"], images), expected[precision], precision)
    count = count_quantizers(quantized)["convolutions"]
    # The convolution behind the pooling and the one over all places have no quantizer after them.
    wanted = (count - 2, 2) if precision == "int8" else (0, count)
    assert count > 20
    assert (
        result["notes"]["quantized_convolutions"],
        result["notes"]["float_convolutions"],
    ) == wanted
