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

    def enlarge(self, by: int, offset: tuple[int, int]) -> FaceBox:
        """The face of a reduced picture in the whole one, in which the reduced begins at offset."""
        x, y = offset
        x0, y0, x1, y1 = (value * by for value in self.box)
        points = tuple((px * by + x, py * by + y) for px, py in self.points)
        return FaceBox((x0 + x, y0 + y, x1 + x, y1 + y), points, self.score)
