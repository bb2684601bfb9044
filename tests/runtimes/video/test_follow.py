"""Faces over frames: who is who by boxes, gaps, crossings, cuts."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from runtimes.video.follow import (
    MAX_MISSED_S,
    MIN_SCENE_CHANGE,
    Follower,
    count_colours,
    enlarge,
    measure_change,
    measure_overlap,
)


def box(x: float, y: float = 100, side: float = 100) -> tuple[float, ...]:
    return (x, y, x + side, y + side)


def test_overlap_is_that_of_pixels() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        masks = []
        boxes = []
        for _ in range(2):
            x0, y0 = rng.integers(0, 30, 2).tolist()
            width, height = rng.integers(1, 30, 2).tolist()
            boxes.append((x0, y0, x0 + width, y0 + height))
            mask = np.zeros((60, 60), bool)
            mask[y0 : y0 + height, x0 : x0 + width] = True
            masks.append(mask)
        expected = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
        assert measure_overlap(*boxes) == pytest.approx(expected)
    assert measure_overlap((5, 5, 5, 9), (5, 5, 5, 9)) == 0.0
    assert enlarge((10, 20, 20, 60), 0.5) == (5, 0, 25, 80)


def test_two_faces_stay_apart_in_any_order() -> None:
    follower = Follower(1.0)
    assert follower.follow(0.0, [box(0), box(400)]) == [0, 1]
    assert follower.follow(1.0, [box(380), box(30)]) == [1, 0]
    assert follower.follow(2.0, [box(60), box(360), box(700)]) == [0, 1, 2]
    assert follower.follow(3.0, []) == []
    assert follower.follow(4.0, [box(690)]) == [2]


def test_neighbours_are_not_exchanged() -> None:
    follower = Follower(1.0)
    assert follower.follow(0.0, [box(0), box(105)]) == [0, 1]
    assert follower.follow(1.0, [box(40), box(145)]) == [0, 1]  # both overlap with both
    assert follower.follow(2.0, [box(105), box(0)]) == [1, 0]


def test_a_head_may_move_by_its_width_in_a_second_but_not_in_a_moment() -> None:
    slow = Follower(1.0)
    quick = Follower(0.04)
    for follower in (slow, quick):
        assert follower.follow(0.0, [box(0)]) == [0]
    assert slow.follow(1.0, [box(100)]) == [0]
    assert quick.follow(0.04, [box(100)]) == [1]
    assert quick.follow(0.08, [box(130)]) == [1]
    assert slow.follow(2.0, [box(400)]) == [1]
    assert slow.follow(4.0, [box(540)]) == [1] and slow.follow(6.0, [box(710)]) == [2]
    assert slow.follow(7.0, [(740, 190, 750, 200)]) == [3]  # another size is another face


def test_a_face_may_be_missing_for_a_while() -> None:
    for every_s in (0.04, 1.0, 10.0):
        follower = Follower(every_s)
        assert follower.follow(0.0, [box(0)]) == [0]
        back_s = 3 * every_s  # two frames were missed
        assert follower.follow(back_s, [box(0)]) == [0]
        gone_s = back_s + max(MAX_MISSED_S, 4 * every_s) + 0.001
        assert follower.follow(gone_s, [box(0)]) == [1]


def test_after_a_cut_nobody_is_known() -> None:
    rng = np.random.default_rng(1)
    scene = Image.fromarray(rng.integers(0, 90, (72, 128, 3), dtype=np.uint8))
    moved = Image.fromarray(np.roll(np.asarray(scene), 40, axis=1))
    other = Image.fromarray(rng.integers(120, 255, (72, 128, 3), dtype=np.uint8))
    assert measure_change(count_colours(scene), count_colours(moved)) < MIN_SCENE_CHANGE
    assert measure_change(count_colours(scene), count_colours(other)) > MIN_SCENE_CHANGE
    follower = Follower(1.0)
    tracks = []
    for second, picture in enumerate([scene, moved, other, other, scene]):
        follower.watch(picture)
        tracks += follower.follow(float(second), [box(0)])
    assert tracks == [0, 0, 1, 1, 2]


def test_colours_are_counted_whatever_their_place() -> None:
    halves = np.zeros((36, 64, 3), np.uint8)
    halves[:, 32:] = (255, 0, 0)
    counts = count_colours(Image.fromarray(halves))
    assert counts[0] == counts[48] == 0.5 and counts.sum() == 1.0
    black = count_colours(Image.new("RGB", (640, 360)))
    assert measure_change(counts, black) == 0.5 and measure_change(black, black) == 0.0
