"""Core ML of a Mac, played on any system: with what it opens packages, and a formula's answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.layout import OUTPUTS
from gazeclip.bundle.write import write_bundle
from runtimes.engines import coreml

Answers = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Opened:
    """What was given to `MLModel`."""

    path: Path
    compute_units: str


def write_core_ml_bundle(folder: Path, contents: BundleContents, **notes: str) -> Path:
    """A bundle with a package that only the played Core ML can open."""
    package = folder / "model.mlpackage"
    package.mkdir(parents=True)
    (package / "Manifest.json").write_text("{}")
    metrics = {**contents.metrics, "conversion": notes}
    entries = {"target": "coreml", "model_file": package.name, "metrics": metrics}
    write_bundle(folder, replace(contents, **entries))  # type: ignore[arg-type]
    return folder


def play_core_ml(monkeypatch: pytest.MonkeyPatch, answer: Answers) -> list[Opened]:
    """Let the engine run here; returns what it opens from now on.

    Args:
        answer: of uint8 images `(1, S, S, 3)`, the four outputs by name.
    """
    opened: list[Opened] = []

    class Model:
        def __init__(self, path: str, compute_units: str) -> None:
            opened.append(Opened(Path(path), compute_units))

        def get_spec(self) -> Any:
            outputs = [SimpleNamespace(name=name) for name in OUTPUTS]
            return SimpleNamespace(description=SimpleNamespace(output=outputs))

        def predict(self, feeds: dict[str, Any]) -> dict[str, np.ndarray]:
            return answer(np.asarray(feeds["image"])[None])

    units = {name: name for name in ("ALL", "CPU_ONLY", "CPU_AND_GPU", "CPU_AND_NE")}
    library = SimpleNamespace(
        __version__="9.0",
        ComputeUnit=SimpleNamespace(**units),
        models=SimpleNamespace(MLModel=Model),
    )
    monkeypatch.setattr(coreml, "require", lambda module, extra: library)
    monkeypatch.setattr(coreml, "find_library_fault", lambda module, extra: None)
    monkeypatch.setattr("sys.platform", "darwin")
    return opened
