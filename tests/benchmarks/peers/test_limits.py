"""The machine's limits: that what is timed is what it is said to be, and the roof."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.peers import limits
from benchmarks.peers.count import Work

SIDE = 64


def test_integers_in_onnxruntime_are_the_product() -> None:
    (product,) = limits._multiply_in_onnxruntime(SIDE, 1)()  # type: ignore[misc]
    generator = np.random.default_rng(0)
    levels = generator.integers(-64, 64, (SIDE, SIDE), dtype=np.int8)
    image = generator.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    np.testing.assert_array_equal(product, image.astype(np.int64) @ levels.astype(np.int64))


@pytest.mark.parametrize("quantized", [False, True])
def test_products_in_openvino(quantized: bool) -> None:
    (product,) = limits._multiply_in_openvino(SIDE, 1, quantized)().values()  # type: ignore[attr-defined]
    generator = np.random.default_rng(0)
    right = generator.random((SIDE, SIDE), dtype=np.float32).astype(np.float64)
    if quantized:
        right = generator.integers(-64, 64, (SIDE, SIDE), dtype=np.int8) / 64
    left = generator.random((SIDE, SIDE), dtype=np.float32).astype(np.float64)
    if quantized:
        left = np.clip(np.rint(left * 128), -128, 127) / 128
    # A value next to the middle between two levels may be rounded either way: a level times a
    # weight of at most 1. Floats differ by the order of their sums.
    np.testing.assert_allclose(product, left @ right, atol=1 / 128 if quantized else 1e-3)


def test_the_bound_is_the_lower_of_both_roofs() -> None:
    found = limits.Limits(1, 100.0, "a", None, "", 10.0)
    # 2 * 5e6 operations for 1e6 values of 4 bytes: 2.5 for each byte.
    work = Work(macs=5_000_000, weights=900_000, ends=100_000, moved=3_000_000)
    assert limits.find_intensity(work, "fp32") == pytest.approx(2.5)
    assert found.bound(work, "fp32") == pytest.approx(25.0)
    heavy = Work(macs=500_000_000, weights=900_000, ends=100_000, moved=3_000_000)
    assert found.bound(heavy, "fp32") == 100.0
    assert found.bound(work, "int8") is None


def test_the_largest_cache_is_found(tmp_path: Path) -> None:
    for number, size in enumerate(("32K", "512K", "32M")):
        (tmp_path / f"index{number}").mkdir()
        (tmp_path / f"index{number}" / "size").write_text(f"{size}\n")
    assert limits.read_cache_mb(tmp_path) == pytest.approx(32 * 1024**2 / 1e6)
    assert limits.read_cache_mb(tmp_path / "none") == 0.0


def test_the_fastest_pass_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    # The clock before and after each pass: 3, 1 and 2 seconds long, until 5 seconds have gone by.
    moments = iter([0.0, 0.0, 3.0, 3.0, 4.0, 4.0, 6.0])
    # The module's own clock: that of the library is read by whatever runs the tests, too.
    monkeypatch.setattr(limits, "time", SimpleNamespace(perf_counter=lambda: next(moments)))
    calls: list[int] = []
    assert limits.time_fastest(lambda: calls.append(1), 5.0) == 1.0
    assert len(calls) == 4  # the first one is not timed


def test_a_copy_counts_what_is_read_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "time_fastest", lambda call, seconds: 0.5)
    assert limits.measure_bandwidth(megabytes=1.0) == pytest.approx(2e6 / 0.5 / 1e9)
