"""Images of a data set that nobody has checked: those that cannot be read are counted, not hidden.

A model that answers only where it is easy looks better than it is. The idea of an exit code for it
is deepfake-workbench's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gazeclip.console.progress import progress_callback
from gazeclip.data.rows import Sample
from gazeclip.errors import ImageError, StageError
from gazeclip.images.preprocess import PixelContract

ALLOWED = 0.01  # share of the images that may be left out
EXIT_UNJUDGED = 3
_SHOWN = 20  # of the images left out, by name


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


def read_covered(
    samples: Sequence[Sample], contract: PixelContract, coverage: Coverage, title: str
) -> tuple[np.ndarray, list[Sample]]:
    """The images that can be read, uint8 `(N, S, S, 3)`, and their rows; `coverage` counts all.

    Raises:
        StageError: none can be read.
    """
    pixels = []
    kept = []
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
    if not kept:
        raise StageError(
            f"no image of {title} can be read, the first: {coverage.failed[-1][1]}",
            remedy="Correct the manifest's paths",
        )
    return np.stack(pixels), kept


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
