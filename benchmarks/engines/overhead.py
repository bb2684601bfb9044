"""What is added to the time that an engine's library takes: checks, and the way to a verdict.

A second session of the bare library stands beside them: what it "adds" is how far two sessions of
one file differ, by where their memory lies and by chance. Less than that is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.engines.bare import Call, open_bare
from benchmarks.measure.latency import LatencyConfig, LatencyStats, measure_latency
from gazeclip.images.crop_rule import WHOLE
from runtimes import Verifier, load


class Overhead(NamedTuple):
    """Times of one image `(S, S, 3)`: the bare library twice, checked outputs, a whole verdict."""

    label: str
    bare: LatencyStats
    again: LatencyStats
    infer: LatencyStats
    verify: LatencyStats


def measure_overheads(bundles: Sequence[Path], threads: int, seconds: float) -> list[Overhead]:
    """All bundles side by side, each call on the bundle's first golden image."""
    verifiers = [load(bundle, threads=threads) for bundle in bundles]
    calls: dict[str, Call] = {}
    images: dict[str, np.ndarray] = {}
    for number, verifier in enumerate(verifiers):
        image = np.ascontiguousarray(verifier.bundle.golden[0][:1])  # (1, S, S, 3)
        own = {
            f"{number} bare": open_bare(verifier.bundle, verifier.engine.name, threads),
            f"{number} again": open_bare(verifier.bundle, verifier.engine.name, threads),
            f"{number} infer": verifier.infer,
            f"{number} verify": _bind_verify(verifier),
        }
        calls |= own
        images |= dict.fromkeys(own, image)
    found = measure_latency(
        {name: _bind(call, images[name]) for name, call in calls.items()},
        LatencyConfig(budget_s=seconds),
        threads=threads,
    )
    overheads = []
    for number, verifier in enumerate(verifiers):
        stats = (found[f"{number} {what}"] for what in ("bare", "again", "infer", "verify"))
        label = f"{verifier.bundle.target} {verifier.bundle.precision}, {verifier.engine.label}"
        overheads.append(Overhead(label, *stats))
    return overheads


def _bind(call: Call, image: np.ndarray) -> Callable[[], object]:
    return lambda: call(image)


def _bind_verify(verifier: Verifier) -> Call:
    return lambda image: verifier.verify(image[0], crop=WHOLE)
