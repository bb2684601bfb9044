"""Every target takes an encoder of which the ladder has left some layers in float."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from export import registry
from export.job import ExportJob
from export.lower import StrippedEncoder
from export.parity import compare_outputs, require_integer, require_parity
from export.runner import open_runner, unfinished_bundle, wrap_torch
from gazeclip.networks.student import Student
from quantize.encoder import count_quantizers, quantize_encoder
from quantize.fuse import prepare_encoder
from quantize.layers import map_operations
from runtimes.batches import infer_in_batches
from tests.export.conftest import CLASSES, SIZE, SMALLEST, build, pictures, pixels

pytestmark = pytest.mark.slow
FLOAT = (3, 20)  # the places of two convolutions, one early and one in the middle


@pytest.fixture(scope="module")
def student() -> Student:
    """With all its layers: of a few, those that TFLite leaves in float would be too many."""
    return build(SMALLEST)


@pytest.fixture(scope="module")
def partly(student: Student, quantizers: None) -> torch.nn.Module:
    prepared = prepare_encoder(student.encoder, SIZE)
    layers = list(map_operations(prepared, torch.zeros(1, 3, SIZE, SIZE)))
    batches = [student.normalise(pixels(pictures(8, 200 + seed))) for seed in range(3)]
    chosen = [layers[place] for place in FLOAT]
    return quantize_encoder(student.encoder, batches, overflow_fix=True, float_layers=chosen).eval()


@pytest.fixture(scope="module")
def stripped_partly(partly: torch.nn.Module) -> StrippedEncoder:
    """What the targets share, as those of a run do."""
    return StrippedEncoder(partly, SIZE)


@pytest.mark.parametrize("target", registry.TARGETS)
def test_a_target_keeps_layers_in_float(
    target: str,
    student: Student,
    partly: torch.nn.Module,
    stripped_partly: StrippedEncoder,
    tmp_path: Path,
) -> None:
    job = ExportJob(student, partly, "int8", tmp_path, CLASSES, SIZE, stripped=stripped_partly)
    result: dict[str, Any] = registry.load_target(target).export(job)
    counts = count_quantizers(partly)
    assert counts["weight_quantizers"] == counts["convolutions"] - len(FLOAT)
    require_integer(result["notes"], counts["weight_quantizers"], target)
    assert result["notes"]["float_convolutions"] >= len(FLOAT)
    names = result.get("io", {})
    bundle = unfinished_bundle(tmp_path, target, "int8", result["model"], SIZE, names)
    images = pictures(6, 300)
    model = student.with_encoder(partly).eval()
    found = infer_in_batches(open_runner(bundle, 1)[0], images, 6)
    require_parity(compare_outputs(wrap_torch(model)(images), found), "int8", target)
