"""What the gaze and the way from bytes to floats cost within an inference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.measure.cut import GAZE, PARTS, TARGETS, cut_onnx, cut_openvino
from benchmarks.measure.latency import LatencyConfig, LatencyStats, measure_latency
from gazeclip.bundle.bundle import Bundle
from gazeclip.console.progress import progress_callback, say
from gazeclip.system.packages import require
from runtimes.onnx_options import make_options
from runtimes.openvino_core import make_cpu_settings, share_core

Call = Callable[[], object]
WHOLE = "whole"


def measure_parts(
    bundles: Mapping[str, Bundle], threads: int, seconds: float
) -> list[dict[str, Any]]:
    """Medians of each bundle's whole file and of what its parts add, in interleaved rounds.

    Rows have `name`, `threads`, `whole_ms`, `gaze_ms`, `pixels_ms` (whole less the file without the
    part; below zero where the engine does better with it) and `disturbed`; the times are None
    where a cut file does not run. Bundles of formats that cannot be cut have none, nor have those
    that take their text bank from outside, which no direct call here feeds.
    """
    calls: dict[str, Call] = {}
    chosen = {
        name: bundle
        for name, bundle in bundles.items()
        if bundle.target in TARGETS and bundle.bank_input is None
    }
    for name, bundle in chosen.items():
        calls |= _open_parts(name, bundle, threads)
    config = LatencyConfig(budget_s=seconds)
    found: dict[str, LatencyStats] = {}
    if calls:
        with progress_callback("parts of an inference") as update:
            found = measure_latency(calls, config, threads=threads, progress=update)
    rows = []
    for name in chosen:
        row: dict[str, Any] = {"name": name, "threads": threads, "whole_ms": None}
        row |= {f"{part}_ms": None for part in PARTS}
        whole = found.get(f"{name} {WHOLE}")
        if whole is None:
            rows.append({**row, "disturbed": False})
            continue
        row["whole_ms"] = whole.p50
        for part in PARTS:
            row[f"{part}_ms"] = whole.p50 - found[f"{name} {part}"].p50
        rows.append({**row, "disturbed": whole.disturbed})
    return rows


def _open_parts(name: str, bundle: Bundle, threads: int) -> dict[str, Call]:
    """The whole file and the cut ones, each run once; none where one of them fails."""
    calls = {}
    try:
        for part in (WHOLE, *PARTS):
            call = open_cut(bundle, part, threads)
            call()
            calls[f"{name} {part}"] = call
    except Exception as error:  # engines have no common one
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        say(f"warning: parts of {name} are not measured: {reason[:160]}")
        return {}
    return calls


def open_cut(bundle: Bundle, part: str, threads: int) -> Call:
    """A pass of a bundle's file without `part`, or of the whole, on one image."""
    image: np.ndarray = bundle.golden[0][:1]  # uint8 (1, S, S, 3)
    if part not in (WHOLE, GAZE):
        side = bundle.image_size
        generator = np.random.default_rng(0)
        image = generator.uniform(-1, 1, (1, 3, side, side)).astype(np.float32)
    opener = _open_onnx if bundle.target == "onnx" else _open_openvino
    return opener(bundle, part, threads, np.ascontiguousarray(image))


def _open_onnx(bundle: Bundle, part: str, threads: int, image: np.ndarray) -> Call:
    ort = require("onnxruntime", extra="onnx")
    source: str | bytes = str(bundle.model_path)
    if part != WHOLE:
        source = cut_onnx(bundle, part)
    options = make_options(ort, threads)
    session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: image}
    names = [port.name for port in session.get_outputs()]
    return lambda: dict(zip(names, session.run(names, given), strict=True))


def _open_openvino(bundle: Bundle, part: str, threads: int, image: np.ndarray) -> Call:
    core = share_core()
    if part == WHOLE:
        model = core.read_model(str(bundle.model_path))
    else:
        model = cut_openvino(core, bundle, part)
    compiled = core.compile_model(model, "CPU", make_cpu_settings(threads))
    request = compiled.create_infer_request()
    return lambda: request.infer({0: image}, share_inputs=True, share_outputs=True)
