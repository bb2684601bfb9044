"""Every student through every conversion, of fewer blocks: what the zoo's file promises.

A release of a converter that breaks a cell fails here, and one that mends a cell does too. In full
depth they are held as ONNX (`test_matrix.py`), and measured in `figures.json`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from benchmarks.zoo.places import open_made
from benchmarks.zoo.student import Subject
from export.registry import TARGETS
from export.stage import GOLDEN_TOLERANCE
from gazeclip.bundle.layout import OUTPUTS, Precision
from gazeclip.networks.zoo import read_zoo
from runtimes.engines import litert
from runtimes.engines.litert import LiteRtEngine
from tests.benchmarks.zoo.holding import hold_cell
from tests.benchmarks.zoo.shallow import make_shallow_subject
from tests.benchmarks.zoo.shrink import SMALLEST, shrink
from tests.collecting import skip_without

skip_without("nncf")
pytestmark = pytest.mark.slow
OTHERS = [name for name in read_zoo() if name != SMALLEST]


@pytest.fixture(scope="module", params=OTHERS)
def subject(request: pytest.FixtureRequest, quantizers: None) -> Iterator[tuple[str, Subject]]:
    name = cast(str, request.param)
    with pytest.MonkeyPatch.context() as patch:
        yield name, make_shallow_subject(shrink(name), patch)


# Each conversion once: other precisions store the weights of the same graph otherwise, and the
# smallest student is held in all of them. ONNX INT8 is held in full depth.
CONVERSIONS: dict[str, tuple[Precision, ...]] = {
    "onnx": ("fp32",),
    "openvino": ("fp32", "int8"),
    "coreml": ("fp16", "int8"),
    "tflite": ("fp32", "int8"),
}


@pytest.mark.parametrize("target", TARGETS)
def test_every_conversion_is_what_the_zoo_promises(
    subject: tuple[str, Subject], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    for package in TARGETS[target].packages:
        pytest.importorskip(package)
    name, made = subject
    for precision in CONVERSIONS[target]:
        folder = tmp_path / precision
        hold_cell(made, name, target, precision, folder, whole=False)
        if target == "tflite":
            _hold_older_interpreter(folder, made.probes[:4], precision, monkeypatch)


def _hold_older_interpreter(
    folder: Path, images: np.ndarray, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The smaller package of 2023 knows every operation of the file, and computes the same."""
    pytest.importorskip("tflite_runtime")
    bundle = open_made(folder)
    expected = LiteRtEngine(bundle, threads=1).infer(images)
    with monkeypatch.context() as patch:
        patch.setattr(litert, "_LIBRARIES", ("tflite_runtime",))
        older = LiteRtEngine(bundle, threads=1)
    assert "tflite_runtime" in older.label
    found = older.infer(images)
    for name in OUTPUTS:
        # Kernels of other releases round to a neighbouring level here and there.
        bound = GOLDEN_TOLERANCE[precision][name]
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=bound, err_msg=name)
