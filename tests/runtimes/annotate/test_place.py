"""Labels lie inside the picture, beside their box, and not over each other where there is room."""

from __future__ import annotations

import itertools
import random

import pytest

from runtimes.annotate.place import Area, place_labels

PICTURE = (1000, 800)


def overlap(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize(
    "box",
    [
        (400, 300, 600, 500),
        (0, 0, 200, 200),
        (800, 0, 1000, 300),
        (0, 600, 200, 800),
        (850, 650, 1000, 800),
        (0, 300, 1000, 500),
        (300, 0, 600, 800),
    ],
)
def test_a_label_is_beside_its_box(box: Area) -> None:
    (place,) = place_labels([(180, 90)], [box], PICTURE)
    assert (place[2] - place[0], place[3] - place[1]) == (180, 90)
    assert place[0] >= 0 and place[1] >= 0 and place[2] <= 1000 and place[3] <= 800
    assert not overlap(place, box)
    gap_x = max(box[0] - place[2], place[0] - box[2])
    gap_y = max(box[1] - place[3], place[1] - box[3])
    assert max(gap_x, gap_y) == 0  # it touches


def test_a_label_of_the_whole_picture_lies_at_its_lower_edge() -> None:
    assert place_labels([(180, 90)], [(0, 0, 1000, 800)], PICTURE) == [(0, 710, 180, 800)]


def test_labels_of_faces_side_by_side_hide_neither() -> None:
    boxes = [(100 + 220 * number, 300, 300 + 220 * number, 500) for number in range(4)]
    places = place_labels([(300, 80)] * 4, boxes, PICTURE)
    assert not any(overlap(one, other) for one, other in itertools.combinations(places, 2))
    assert not any(overlap(place, box) for place in places for box in boxes)


def test_every_label_stays_inside_however_many_faces() -> None:
    chance = random.Random(3)
    for _ in range(50):
        boxes = []
        for _ in range(chance.randint(1, 30)):
            left, top = chance.randint(0, 900), chance.randint(0, 700)
            boxes.append((left, top, left + chance.randint(1, 100), top + chance.randint(1, 100)))
        sizes = [(chance.randint(1, 1000), chance.randint(1, 800)) for _ in boxes]
        places = place_labels(sizes, boxes, PICTURE)
        for place, size in zip(places, sizes, strict=True):
            assert (place[2] - place[0], place[3] - place[1]) == size
            assert min(place) >= 0 and place[2] <= 1000 and place[3] <= 800


def test_a_label_larger_than_the_picture_shows_its_beginning() -> None:
    (place,) = place_labels([(300, 200)], [(5, 5, 10, 10)], (100, 50))
    assert place[:2] == (0, 0)
