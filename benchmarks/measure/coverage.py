"""Images of a data set that nobody has checked: those that cannot be read are counted, not hidden.

A model that answers only where it is easy looks better than it is. The idea of an exit code for it
is deepfake-workbench's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gazeclip.console.progress import progress_callback
from gazeclip.data.rows import Sample
from gazeclip.errors import ImageError, StageError
from gazeclip.images.preprocess import PixelContract

ALLOWED = 0.01  # share of the images that may be left out
EXIT_UNJUDGED = 3
BATCH = 256  # images held at a time, a multiple of what models are given at once
_SHOWN = 20  # of the images left out, by name
Arrays = dict[str, np.ndarray]
Predict = Callable[[np.ndarray], Arrays]


@dataclass
class Coverage:
    """How many images were to be judged, and `(path, why)` of those that could not be."""

    images: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The form of report.json; `covered`: no more are left out than may be."""
        count = len(self.failed)
        return {
            "images": self.images,
            "not_judged": count,
            "allowed": ALLOWED,
            "covered": count <= ALLOWED * self.images,
            "first": [{"path": path, "reason": why} for path, why in self.failed[:_SHOWN]],
        }


def judge_covered(
    samples: Sequence[Sample],
    contract: PixelContract,
    coverage: Coverage,
    title: str,
    predictors: Sequence[Predict],
) -> tuple[list[Sample], list[Arrays]]:
    """The rows whose images can be read, and what each predictor says of them.

    `coverage` counts all. No more than `BATCH` images are held at a time, as another data set may
    be of any size.

    Args:
        predictors: each from uint8 `(B, S, S, 3)` to arrays of B rows by name.

    Raises:
        StageError: no image can be read.
    """
    kept: list[Sample] = []
    pixels: list[np.ndarray] = []
    parts: list[list[Arrays]] = [[] for _ in predictors]

    def judge_batch() -> None:
        if pixels:
            batch = np.stack(pixels)
            for found, predict in zip(parts, predictors, strict=True):
                found.append(predict(batch))
            pixels.clear()

    with progress_callback(title) as update:
        for number, sample in enumerate(samples):
            update(number, len(samples))
            coverage.images += 1
            try:
                pixels.append(contract.apply(sample.path))
            except (ImageError, OSError) as error:
                coverage.failed.append((str(sample.path), " ".join(str(error).split())))
                continue
            kept.append(sample)
            if len(pixels) == BATCH:
                judge_batch()
        judge_batch()
    if not kept:
        raise StageError(
            f"no image of {title} can be read, the first: {coverage.failed[-1][1]}",
            remedy="Correct the manifest's paths",
        )
    return kept, [_join_parts(found) for found in parts]


def _join_parts(parts: Sequence[Arrays]) -> Arrays:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def describe_coverage(coverage: dict[str, Any] | None) -> str:
    """A sentence on images that were left out; empty if there are none."""
    if coverage is None or not coverage["not_judged"]:
        return ""
    first = coverage["first"][0]
    failed = coverage["not_judged"]
    share = failed / coverage["images"]
    return (
        f"{failed} of {coverage['images']} images could not be judged ({share:.1%}, "
        f"allowed {coverage['allowed']:.0%}), the first: {first['path']}: {first['reason']}"
    )
