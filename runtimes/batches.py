"""Inference over more images than fit one batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Outputs = dict[str, np.ndarray]
Infer = Callable[[np.ndarray], Outputs]


def infer_in_batches(
    infer: Infer,
    images: np.ndarray,
    batch_size: int,
    progress: Callable[[int, int], None] | None = None,
) -> Outputs:
    """`infer` over uint8 `(N, S, S, 3)`, N at least 1, in batches; outputs `(N, ...)` in order.

    Args:
        progress: called with `(images done, N)` after each batch.
    """
    parts: list[Outputs] = []
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        parts.append(infer(batch))
        if progress is not None:
            progress(start + len(batch), len(images))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
