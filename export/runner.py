"""Run a freshly exported file in the engine that will run it on the device; Core ML off a Mac by
its reference evaluator.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gazeclip.bundle.bundle import Bundle
from gazeclip.system.threads import usable_threads
from runtimes.engines.registry import choose

Infer = Callable[[np.ndarray], dict[str, np.ndarray]]
# As report.json names them.
ENGINE_NAMES = {
    "openvino": "openvino",
    "onnx": "onnxruntime",
    "tflite": "tflite",
    "coreml": "coreml",
}


def open_runner(bundle: Bundle, threads: int | None = None) -> tuple[Infer, str]:
    """`(infer, engine name)` for a bundle, complete or still being written."""
    if bundle.target == "coreml" and sys.platform != "darwin":
        from export.reference.evaluator import evaluate

        return lambda images: evaluate(bundle.model_path, images), "coreml-reference"
    engine = choose(bundle)(bundle, threads or usable_threads())
    return engine.infer, ENGINE_NAMES[bundle.target]


def unfinished_bundle(
    folder: Path, target: str, precision: str, model_file: str, image_size: int, io: dict[str, str]
) -> Bundle:
    """Just enough of a bundle for an engine to load the model file; nothing of it is written."""
    names = {name: name for name in ("image", "embedding", "logits", "fake_logit", "gaze")} | io
    meta: dict[str, Any] = {
        "target": target,
        "precision": precision,
        "model_file": model_file,
        "image_size": image_size,
        "io": names,
    }
    return Bundle(folder, meta)


def run_all(infer: Infer, images: np.ndarray, batch_size: int = 16) -> dict[str, np.ndarray]:
    """`infer` over uint8 `(N, S, S, 3)` in batches."""
    parts = [
        infer(images[start : start + batch_size]) for start in range(0, len(images), batch_size)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
