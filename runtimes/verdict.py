"""The answer about one image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

REAL = "real"
FAKE = "fake"


class Attribution(NamedTuple):
    """One class and its probability `p`."""

    name: str
    title: str
    category: str
    family: str
    p: float


class Gaze(NamedTuple):
    """Gaze direction in radians."""

    pitch: float
    yaw: float


@dataclass(frozen=True)
class Verdict:
    """Whether an image is real or fake, on what grounds, and what computed it.

    `verdict` is `fake` where `fake_probability` reaches `threshold`, the value of
    `operating_point`. `attribution` holds all classes, the most probable first. `embedding` is
    `(D,)` float32 of unit length. `timings_ms` has `decode`, `inference` and `post`; the last two
    are the batch's time divided by its size. `frames` is the number in the file (animations,
    pages); only the first is judged.
    """

    source: str
    verdict: str
    fake_probability: float
    threshold: float
    operating_point: str
    attribution: tuple[Attribution, ...]
    gaze: Gaze
    engine: str
    precision: str
    timings_ms: dict[str, float] = field(compare=False)
    embedding: np.ndarray = field(compare=False, repr=False)
    frames: int = 1

    @property
    def is_fake(self) -> bool:
        """Whether the verdict is `fake`."""
        return self.verdict == FAKE

    def to_dict(self, embedding: bool = True) -> dict[str, Any]:
        """Plain values for JSON; `embedding=False` leaves the D numbers out."""
        data: dict[str, Any] = {
            "source": self.source,
            "frames": self.frames,
            "verdict": self.verdict,
            "fake_probability": self.fake_probability,
            "threshold": self.threshold,
            "operating_point": self.operating_point,
            "attribution": [entry._asdict() for entry in self.attribution],
            "gaze": self.gaze._asdict(),
            "engine": self.engine,
            "precision": self.precision,
            "timings_ms": {key: round(value, 4) for key, value in self.timings_ms.items()},
        }
        return data | {"embedding": self.embedding.tolist()} if embedding else data
