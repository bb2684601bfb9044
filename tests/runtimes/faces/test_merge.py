"""One box for each face, against loops over plain numbers."""

from __future__ import annotations

import numpy as np
import pytest

from runtimes.faces.merge import MAX_INSIDE, MAX_OVERLAP, merge_boxes

Row = tuple[list[float], list[float], float]


def measure_common(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def measure_area(box: list[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def merge_naively(rows: list[Row]) -> list[Row]:
    """The rule in words: best first, each takes in what overlaps it; parts of a better one go."""
    left = sorted(rows, key=lambda row: -row[2])
    faces: list[Row] = []
    while left:
        best = left[0]
        group = []
        rest = []
        for row in left:
            common = measure_common(best[0], row[0])
            union = measure_area(best[0]) + measure_area(row[0]) - common
            (group if common / union > MAX_OVERLAP else rest).append(row)
        total = sum(row[2] for row in group)
        box = [sum(row[0][k] * row[2] for row in group) / total for k in range(4)]
        points = [sum(row[1][k] * row[2] for row in group) / total for k in range(10)]
        faces.append((box, points, best[2]))
        left = rest
    kept: list[Row] = []
    for face in faces:
        area = measure_area(face[0])
        if all(measure_common(face[0], other[0]) <= MAX_INSIDE * area for other in kept):
            kept.append(face)
    return kept


@pytest.mark.parametrize("seed", range(6))
def test_the_same_as_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 60))
    corner = rng.uniform(0, 100, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 60, (count, 2))], axis=1)
    points = rng.uniform(0, 100, (count, 5, 2))
    scores = rng.permutation(np.linspace(0.5, 0.99, count))
    rows = [(boxes[k].tolist(), points[k].ravel().tolist(), float(scores[k])) for k in range(count)]
    expected = merge_naively(rows)
    found = merge_boxes(boxes, points, scores)
    assert len(found[0]) == len(expected) > 0
    np.testing.assert_allclose(found[0], [row[0] for row in expected])
    np.testing.assert_allclose(found[1].reshape(-1, 10), [row[1] for row in expected])
    np.testing.assert_allclose(found[2], [row[2] for row in expected])


def test_none_and_a_box_within_a_better_one() -> None:
    nothing = merge_boxes(np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0))
    assert [len(part) for part in nothing] == [0, 0, 0]
    boxes = np.array([[0.0, 0, 100, 100], [10, 10, 40, 40], [200, 0, 260, 80]])
    kept, _, scores = merge_boxes(boxes, np.zeros((3, 5, 2)), np.array([0.9, 0.8, 0.7]))
    np.testing.assert_array_equal(kept, boxes[[0, 2]])
    np.testing.assert_array_equal(scores, [0.9, 0.7])
    # the small one was surer: nothing better holds it, and the large one is not inside it
    kept, _, _ = merge_boxes(boxes, np.zeros((3, 5, 2)), np.array([0.7, 0.8, 0.6]))
    np.testing.assert_array_equal(kept, boxes[[1, 0, 2]])
