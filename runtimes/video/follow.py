"""Which faces of successive frames are one face, by their boxes alone.

Boxes are matched by intersection over union, the best pair first. Seconds may lie between two
frames, and then a head that moves need not overlap with itself: boxes are enlarged before they are
compared, the more the longer ago (buffered IoU: Yang and others 2023, "Hard to Track Objects with
Irregular Motions and Similar Appearances? Make It Easier by Buffering the Matching Space", WACV).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

Box = Sequence[float]
MIN_OVERLAP = 0.3
BUFFER = 0.5  # of the box's side, on each side of it, for each second
MAX_BUFFER = 1.0
# A face may be missing in so many frames, or for as long.
MAX_MISSED_FRAMES = 2
MAX_MISSED_S = 1.0
# Share of the pixels' brightness that two frames of different scenes have in different places of
# their histograms; a zoom or a person who walks through changes less.
MIN_SCENE_CHANGE = 0.5
_LOOK_SIZE = (128, 72)
_LEVELS = 4  # of each colour


class _Seen(NamedTuple):
    """Where a track was when it was last seen."""

    box: Box
    time_s: float


class Follower:
    """Tracks that are still alive. Frames are given in the order of time."""

    def __init__(self, every_s: float) -> None:
        """`every_s` lies between two frames that are looked at."""
        self._patience_s = max(MAX_MISSED_S, (MAX_MISSED_FRAMES + 1.5) * every_s)
        self._alive: dict[int, _Seen] = {}
        self._started = 0
        self._colours: np.ndarray | None = None

    def watch(self, picture: Image.Image) -> None:
        """Look at the frame itself: after a cut no face is taken for one of before."""
        colours = count_colours(picture)
        if self._colours is not None and measure_change(self._colours, colours) > MIN_SCENE_CHANGE:
            self._alive.clear()
        self._colours = colours

    def follow(self, time_s: float, boxes: Sequence[Box]) -> list[int]:
        """The track of each box, numbered from 0 in the order in which tracks begin."""
        alive = {
            track: seen
            for track, seen in self._alive.items()
            if time_s - seen.time_s <= self._patience_s
        }
        pairs = []
        for place, box in enumerate(boxes):
            for track, seen in alive.items():
                buffer = min(MAX_BUFFER, BUFFER * (time_s - seen.time_s))
                overlap = measure_overlap(enlarge(seen.box, buffer), enlarge(box, buffer))
                if overlap >= MIN_OVERLAP:
                    pairs.append((-overlap, track, place))
        found: dict[int, int] = {}  # place of a box -> track
        for _, track, place in sorted(pairs):
            if place not in found and track not in found.values():
                found[place] = track
        for place in range(len(boxes)):
            if place not in found:
                found[place] = self._started
                self._started += 1
        for place, track in found.items():
            alive[track] = _Seen(boxes[place], time_s)
        self._alive = alive
        return [found[place] for place in range(len(boxes))]


def enlarge(box: Box, share: float) -> Box:
    """A box with so many of its sides more on each side."""
    x0, y0, x1, y1 = box
    across = share * (x1 - x0)
    down = share * (y1 - y0)
    return (x0 - across, y0 - down, x1 + across, y1 + down)


def measure_overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes `x0, y0, x1, y1`; 0 where neither has an area."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0.0) * max(height, 0.0)
    union = _measure_area(one) + _measure_area(other) - common
    return common / union if union > 0 else 0.0


def count_colours(picture: Image.Image) -> np.ndarray:
    """Share of the pixels in each of 64 ranges of colour, `(64,)`."""
    few = picture.resize(_LOOK_SIZE, Image.Resampling.NEAREST)
    levels = np.asarray(few, np.int64) * _LEVELS // 256  # (72, 128, 3)
    places = levels @ np.array([_LEVELS**2, _LEVELS, 1])
    counts: np.ndarray = np.bincount(places.ravel(), minlength=_LEVELS**3)
    return counts / counts.sum()


def measure_change(before: np.ndarray, now: np.ndarray) -> float:
    """Share of the pixels whose colours differ between two frames, from 0 to 1."""
    return float(np.abs(before - now).sum()) / 2


def _measure_area(box: Box) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)
