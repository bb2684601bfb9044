"""One way to run a model, exported or still in PyTorch: images in, named arrays out.

A freshly exported file is run in the engine that will run it on the device. On a system for which
that engine does not exist, the target's reference evaluator stands in.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from export.registry import find_target, lacks_engine, reference_name
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.contents import BankInput
from gazeclip.bundle.layout import INPUT_NAME, OUTPUTS
from gazeclip.system.threads import usable_threads
from runtimes.batches import Infer
from runtimes.engines.bank import BankFeed
from runtimes.engines.registry import ENGINES, choose_engine


def open_reference(bundle: Bundle) -> Infer:
    """The reference evaluator of the bundle's target; the target must have one."""
    evaluator = importlib.import_module(str(find_target(bundle.target).reference))
    feed = BankFeed.of_bundle(bundle)

    def evaluate(images: np.ndarray) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = evaluator.evaluate(
            bundle.model_path, images, {} if feed is None else {feed.name: feed.values}
        )
        return found if feed is None else feed.cut(found)

    return evaluate


def open_runner(bundle: Bundle, threads: int | None = None) -> tuple[Infer, str]:
    """`(infer, engine name)` for a bundle, complete or still being written."""
    target = find_target(bundle.target)
    if lacks_engine(bundle.target):
        return open_reference(bundle), reference_name(target.engine)
    engine = choose_engine(bundle, target.engine)(bundle, threads or usable_threads())
    return engine.infer, target.engine


def wrap_torch(model: Callable[[torch.Tensor], Any]) -> Infer:
    """Run a torch model in inference mode on uint8 `(B, S, S, 3)`.

    Returns:
        a function that gives those of the four outputs that the model has, by name, as float32.
    """

    def infer(images: np.ndarray) -> dict[str, np.ndarray]:
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()  # `(B, 3, S, S)`
        with torch.inference_mode():
            output = model(pixels)
        arrays = {}
        for name in OUTPUTS:
            if hasattr(output, name):
                arrays[name] = getattr(output, name).float().numpy()
        return arrays

    return infer


def is_reference(engine: str) -> bool:
    """Whether a name of `open_runner` is a reference evaluator, whose speed means nothing."""
    return engine not in ENGINES


def unfinished_bundle(
    folder: Path,
    target: str,
    precision: str,
    model_file: str,
    image_size: int,
    io: dict[str, str],
    bank: tuple[BankInput, np.ndarray] | None = None,
) -> Bundle:
    """Just enough of a bundle for an engine to load the model file; nothing of it is written.

    Args:
        bank: the model's input for its classes, and the rows `(C, D)` that it is given.
    """
    names = {name: name for name in (INPUT_NAME, *OUTPUTS)}
    meta: dict[str, Any] = {
        "target": target,
        "precision": precision,
        "model_file": model_file,
        "image_size": image_size,
        "io": names | io,
    }
    if bank is None:
        return Bundle(folder, meta)
    port, rows = bank
    return Bundle(folder, {**meta, "text_bank": asdict(port)}).with_bank((), rows)
