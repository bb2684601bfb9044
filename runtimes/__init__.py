"""Verification on every engine: `load(bundle).verify(images)`. No training library; an engine only when used."""

from __future__ import annotations

from runtimes.registry import ENGINES, engine_status
from runtimes.threads import usable_threads
from runtimes.verdict import Attribution, Gaze, Verdict
from runtimes.verifier import Verifier, load

__all__ = ["ENGINES", "Attribution", "Gaze", "Verdict", "Verifier", "engine_status", "load", "usable_threads"]
