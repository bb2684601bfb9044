"""Starts and overhead, measured on the small bundles."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.engines.__main__ import main
from benchmarks.engines.bare import open_bare
from benchmarks.engines.overhead import measure_overheads
from benchmarks.engines.start import run_once
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import OUTPUTS
from gazeclip.errors import ConfigError, StageError
from runtimes.engines.registry import choose_engine


def test_stages_of_a_start_fill_its_time(bundles: dict[str, Path], photos: dict[str, Path]) -> None:
    before = time.perf_counter()
    start = run_once(bundles["onnx"], photos["fake"], "whole", threads=1)
    wall_ms = (time.perf_counter() - before) * 1e3
    assert list(start) == ["python", "import", "load", "self-test", "first verdict"]
    assert all(value > 0 for value in start.values())
    # what is missing is JSON and the end of the process
    assert 0.3 * wall_ms < sum(start.values()) < wall_ms


def test_a_start_that_fails_says_why(spoiled: Path, photos: dict[str, Path]) -> None:
    (spoiled / "model.onnx").write_bytes(b"no model")
    with pytest.raises(StageError, match=r"model\.onnx"):
        run_once(spoiled, photos["fake"], "whole", threads=1)


@pytest.mark.parametrize("target", ["onnx", "openvino", "tflite"])
def test_the_bare_library_gives_what_the_engine_gives(
    bundles: dict[str, Path], target: str
) -> None:
    bundle = Bundle.load(bundles[target])
    engine = choose_engine(bundle)(bundle, 1)
    image = bundle.golden[0][:1]  # (1, S, S, 3)
    found = open_bare(bundle, engine.name, 1)(image)
    values = [
        np.asarray(value) for value in (found.values() if hasattr(found, "values") else found)
    ]
    by_width = {value.shape[1]: value for value in values}  # the four widths differ
    for wanted in engine.infer(image).values():
        np.testing.assert_array_equal(by_width[wanted.shape[1]], wanted)
    assert len(by_width) == len(OUTPUTS)


def test_an_engine_without_a_direct_call_is_refused(bundles: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="coreml"):
        open_bare(Bundle.load(bundles["onnx"]), "coreml", 1)


def test_a_verdict_costs_more_than_the_library_alone(bundles: dict[str, Path]) -> None:
    (found,) = measure_overheads([bundles["onnx"]], threads=1, seconds=0.2)
    assert 0 < found.bare.p50 < found.verify.p50
    assert found.bare.calls >= 10


def test_the_tables(bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["overhead", str(bundles["onnx"]), "--seconds", "0.1"]) == 0
    told = capsys.readouterr().out
    assert "onnx fp32, onnxruntime" in told and "bare again" in told
    assert main(["start", str(bundles["onnx"]), "--rounds", "1"]) == 0
    assert "self-test" in capsys.readouterr().out
