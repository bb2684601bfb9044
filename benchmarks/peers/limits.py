"""What this machine can do at most: products of large matrices, and a copy larger than its caches.

The roofline model: Williams, Waterman and Patterson 2009, DOI 10.1145/1498765.1498785. A network
can be no faster than its products at the machine's highest rate, nor than the values that it has to
read at the memory's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.peers.count import Work
from gazeclip.system.packages import is_installed, require
from runtimes.onnx_options import make_options
from runtimes.openvino_core import make_cpu_settings, share_core

SIDE = 1024  # of the matrices: they and their packed copies stay in a second-level cache or two
SECONDS = 0.6  # for each way to multiply
COPY_MB = 256
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_TIMES_CACHE = 4  # a copy so many times as large as the last cache has nothing of it left there
_OPSET = 17
_IR_VERSION = 8


@dataclass(frozen=True)
class Limits:
    """Rates of this machine with so many threads.

    Attributes:
        fp32_gops, int8_gops: products and sums of matrices, 10^9 a second, each counted; None where
            nothing here can multiply so.
        fp32_by, int8_by: what was fastest at it.
        bandwidth_gb_s: a copy's bytes read and written, 10^9 a second.
    """

    threads: int
    fp32_gops: float | None
    fp32_by: str
    int8_gops: float | None
    int8_by: str
    bandwidth_gb_s: float

    def find_peak(self, precision: str) -> float | None:
        """Of a file's precision; floats of any kind are computed in fp32."""
        return self.int8_gops if precision == "int8" else self.fp32_gops

    def bound(self, work: Work, precision: str) -> float | None:
        """The rate, 10^9 operations a second, that a network of such work can reach at most."""
        peak = self.find_peak(precision)
        if peak is None:
            return None
        return min(peak, self.bandwidth_gb_s * find_intensity(work, precision))

    def to_dict(self) -> dict[str, Any]:
        """The form of report.json."""
        return asdict(self)


def find_intensity(work: Work, precision: str) -> float:
    """Operations for each byte that must be read or written; a multiplication and its sum are 2."""
    return 2 * work.macs / work.count_least_bytes(precision)


def measure_limits(threads: int, seconds: float = SECONDS, side: int = SIDE) -> Limits:
    """Multiply and copy; the fastest of all passes counts, as nothing makes one too fast."""
    torch.set_num_threads(threads)
    operations = 2 * side**3
    floats = {"PyTorch": _multiply_in_torch(side)}
    integers: dict[str, Callable[[], object]] = {}
    if is_installed("openvino"):
        floats["OpenVINO"] = _multiply_in_openvino(side, threads, quantized=False)
        integers["OpenVINO"] = _multiply_in_openvino(side, threads, quantized=True)
    if is_installed("onnxruntime") and is_installed("onnx"):
        integers["ONNX Runtime"] = _multiply_in_onnxruntime(side, threads)
    fp32, fp32_by = _find_fastest(floats, operations, seconds)
    int8, int8_by = _find_fastest(integers, operations, seconds)
    return Limits(threads, fp32, fp32_by, int8, int8_by, measure_bandwidth(seconds))


def _find_fastest(
    calls: Mapping[str, Callable[[], object]], operations: int, seconds: float
) -> tuple[float | None, str]:
    """10^9 operations a second, and whose."""
    rates = {name: operations / time_fastest(call, seconds) / 1e9 for name, call in calls.items()}
    if not rates:
        return None, ""
    best = max(rates, key=lambda name: rates[name])
    return rates[best], best


def time_fastest(call: Callable[[], object], seconds: float) -> float:
    """Seconds of the fastest pass; the first one, which makes everything ready, is left out."""
    call()
    best = float("inf")
    end = time.perf_counter() + seconds
    while True:
        before = time.perf_counter()
        call()
        after = time.perf_counter()
        best = min(best, after - before)
        if after >= end:
            return best


def measure_bandwidth(seconds: float = SECONDS, megabytes: float | None = None) -> float:
    """10^9 bytes a second, read and written, of a copy that no cache holds."""
    size = int(1e6 * (megabytes or _choose_copy_mb()))
    source = torch.ones(size, dtype=torch.uint8)
    target = torch.zeros(size, dtype=torch.uint8)  # its pages are there before the clock runs
    return 2 * size / time_fastest(lambda: target.copy_(source), seconds) / 1e9


def _choose_copy_mb() -> float:
    return max(COPY_MB, _TIMES_CACHE * read_cache_mb(CACHES))


def read_cache_mb(folder: Path) -> float:
    """The largest cache of a processor as Linux tells it; 0 where it does not."""
    units = {"K": 1024 / 1e6, "M": 1024**2 / 1e6}
    found = [0.0]
    for path in folder.glob("index*/size"):
        text = path.read_text().strip()
        if text[-1:] in units and text[:-1].isdecimal():
            found.append(int(text[:-1]) * units[text[-1]])
    return max(found)


def _multiply_in_torch(side: int) -> Callable[[], object]:
    left = torch.rand(side, side)
    right = torch.rand(side, side)
    out = torch.empty(side, side)
    return lambda: torch.mm(left, right, out=out)


def _multiply_in_openvino(side: int, threads: int, quantized: bool) -> Callable[[], object]:
    """Floats times constant floats; or, through a quantizer as files have it, integers."""
    ov = require("openvino", extra="openvino")
    opset = require("openvino.opset13", extra="openvino")
    generator = np.random.default_rng(0)
    entry = opset.parameter([side, side], np.float32)
    left = entry
    right = opset.constant(generator.random((side, side), dtype=np.float32))
    if quantized:
        low = np.float32(-1.0)
        high = np.float32(127 / 128)
        left = opset.fake_quantize(entry, low, high, low, high, 256)
        # 7 bits, as quantized files have them for CPUs without VNNI
        levels = generator.integers(-64, 64, (side, side), dtype=np.int8)
        right = opset.multiply(opset.convert(opset.constant(levels), "f32"), np.float32(1 / 64))
    product = opset.matmul(left, right, False, False)
    settings = make_cpu_settings(threads)
    compiled = share_core().compile_model(ov.Model([product], [entry]), "CPU", settings)
    request = compiled.create_infer_request()
    image = generator.random((side, side), dtype=np.float32)
    return lambda: request.infer({0: image}, share_inputs=True, share_outputs=True)


def _multiply_in_onnxruntime(side: int, threads: int) -> Callable[[], object]:
    """Unsigned times constant signed bytes, summed in 32 bits."""
    ort = require("onnxruntime", extra="onnx")
    onnx = require("onnx", extra="onnx")
    generator = np.random.default_rng(0)
    levels = generator.integers(-64, 64, (side, side), dtype=np.int8)
    helper = onnx.helper
    given = helper.make_tensor_value_info("a", onnx.TensorProto.UINT8, [side, side])
    made = helper.make_tensor_value_info("c", onnx.TensorProto.INT32, [side, side])
    node = helper.make_node("MatMulInteger", ["a", "b"], ["c"])
    weights = [onnx.numpy_helper.from_array(levels, "b")]
    graph = helper.make_graph([node], "product", [given], [made], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = _IR_VERSION
    data = model.SerializeToString()
    session = ort.InferenceSession(
        data, make_options(ort, threads), providers=["CPUExecutionProvider"]
    )
    image = generator.integers(0, 256, (side, side), dtype=np.uint8)
    return lambda: session.run(None, {"a": image})
