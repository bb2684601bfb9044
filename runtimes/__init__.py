"""Verification on every engine, without any training library; an engine's only when it is used.

verifier = load("runs/demo/export/onnx")
for verdict in verifier.verify(["a.jpg", "b.jpg"]):
    print(verdict.verdict, verdict.fake_probability)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gazeclip.system.threads import usable_threads
    from runtimes.engines.registry import ENGINES, engine_status
    from runtimes.loading import load
    from runtimes.verdict import Attribution, Face, Gaze, Verdict
    from runtimes.verifier import Verifier

__all__ = [
    "ENGINES",
    "Attribution",
    "Face",
    "Gaze",
    "Verdict",
    "Verifier",
    "engine_status",
    "load",
    "usable_threads",
]
_MODULES = {
    "ENGINES": "runtimes.engines.registry",
    "Attribution": "runtimes.verdict",
    "Face": "runtimes.verdict",
    "Gaze": "runtimes.verdict",
    "Verdict": "runtimes.verdict",
    "Verifier": "runtimes.verifier",
    "engine_status": "runtimes.engines.registry",
    "load": "runtimes.loading",
    "usable_threads": "gazeclip.system.threads",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is.

    `python -m runtimes` must reach its guard even where NumPy is missing.
    """
    if name not in _MODULES:
        raise AttributeError(f"module 'runtimes' has no attribute '{name}'")
    return getattr(importlib.import_module(_MODULES[name]), name)
