"""A face that was found: its box, its five points, and how sure the detector is."""

from __future__ import annotations

from typing import NamedTuple

Corners = tuple[float, float, float, float]
Point = tuple[float, float]


class FaceBox(NamedTuple):
    """One face in pixels of the upright picture.

    Attributes:
        box: `x0, y0, x1, y1`; may reach beyond the picture.
        points: `(x, y)` of the person's right eye and left eye, the nose, the right and the left
            corner of the mouth.
        score: from 0 to 1.
    """

    box: Corners
    points: tuple[Point, ...]
    score: float

    @property
    def width(self) -> float:
        """Pixels."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        """Pixels."""
        return self.box[3] - self.box[1]
