"""Many overlapping answers for one face become one.

Greedy suppression in which the winner takes the mean of what it suppresses, weighted by score, as
BlazeFace does (Bazarevsky and others, 2019): the box then moves less from one picture to the next.
"""

from __future__ import annotations

import numpy as np

MAX_OVERLAP = 0.3  # intersection over union beyond which two boxes are one face
MAX_INSIDE = 0.7  # share of a box inside a better one beyond which it is a part of that face
_TINY = 1e-9  # square pixels, where a box has no area


def merge_boxes(
    boxes: np.ndarray, points: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One row for each face, the best score first.

    Args:
        boxes: `(N, 4)` as x0, y0, x1, y1.
        points: `(N, 5, 2)`.
        scores: `(N,)`.

    Returns:
        Boxes `(M, 4)`, points `(M, 5, 2)` and scores `(M,)`; a score is its group's best.
    """
    left = np.argsort(-scores, kind="stable")
    values = np.concatenate([boxes, points.reshape(len(points), 10)], axis=1).astype(np.float64)
    merged: list[np.ndarray] = []
    best: list[float] = []
    while len(left):
        winner = left[0]
        common = _intersect(boxes[winner], boxes[left])
        union = _measure_areas(boxes[winner]) + _measure_areas(boxes[left]) - common
        same = common / np.maximum(union, _TINY) > MAX_OVERLAP
        same[0] = True
        merged.append(np.average(values[left[same]], axis=0, weights=scores[left[same]]))
        best.append(float(scores[winner]))
        left = left[~same]
    table = np.array(merged).reshape(-1, 14)
    kept = _find_separate(table[:, :4])
    return table[kept, :4], table[kept, 4:].reshape(-1, 5, 2), np.array(best)[kept]


def _find_separate(boxes: np.ndarray) -> list[int]:
    """Rows `(M, 4)`, best first, that do not lie inside a better one that is kept."""
    kept: list[int] = []
    for row, box in enumerate(boxes):
        inside = _intersect(box, boxes[kept]) / max(float(_measure_areas(box)), _TINY)
        if not (inside > MAX_INSIDE).any():
            kept.append(row)
    return kept


def _intersect(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Common area of one box `(4,)` with each of `(N, 4)`."""
    extent = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    areas: np.ndarray = np.maximum(extent, 0).prod(axis=1)
    return areas


def _measure_areas(boxes: np.ndarray) -> np.ndarray:
    """Areas of boxes `(..., 4)`."""
    areas: np.ndarray = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)
    return areas
