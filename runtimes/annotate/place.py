"""Where labels go: beside their box, inside the picture, over as little as can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Area = tuple[int, int, int, int]  # x0, y0 inside, x1, y1 just outside
_LABEL_COST = 4  # a label over another cannot be read; over a face it hides some of it


def place_labels(
    sizes: Sequence[tuple[int, int]], boxes: Sequence[Area], picture: tuple[int, int]
) -> list[Area]:
    """A place for each label, in the order of the boxes.

    Args:
        sizes: width and height of the labels, one for each box.
        boxes: what they are about; one as large as the picture has its label at the lower edge.
        picture: width and height.
    """
    whole = (0, 0, *picture)
    faces = [box for box in boxes if box != whole]
    placed: list[Area] = []
    for size, box in zip(sizes, boxes, strict=True):
        places = [_push_inside(place, picture) for place in _list_places(box, size)]
        costs = [
            _measure_overlaps(place, faces) + _LABEL_COST * _measure_overlaps(place, placed)
            for place in places
        ]
        placed.append(places[costs.index(min(costs))])  # the first of the best
    return placed


def _list_places(box: Area, size: tuple[int, int]) -> Iterator[Area]:
    """Above, below, right and left of a box, at its corners; the best liked come first."""
    x0, y0, x1, y1 = box
    width, height = size
    corners = (
        (x0, y0 - height),
        (x1 - width, y0 - height),
        (x0, y1),
        (x1 - width, y1),
        (x1, y0),
        (x1, y1 - height),
        (x0 - width, y0),
        (x0 - width, y1 - height),
    )
    is_whole = (x0, y0) == (0, 0)  # nothing of it is above or beside
    for left, top in corners[2:] + corners[:2] if is_whole else corners:
        yield left, top, left + width, top + height


def _push_inside(area: Area, picture: tuple[int, int]) -> Area:
    """The same area moved into the picture; one that is too large starts at its edge."""
    x0, y0, x1, y1 = area
    left = max(0, min(x0, picture[0] - (x1 - x0)))
    top = max(0, min(y0, picture[1] - (y1 - y0)))
    return left, top, left + x1 - x0, top + y1 - y0


def _measure_overlaps(area: Area, others: Sequence[Area]) -> int:
    """Pixels of an area that others cover."""
    total = 0
    for other in others:
        width = min(area[2], other[2]) - max(area[0], other[0])
        height = min(area[3], other[3]) - max(area[1], other[1])
        total += max(0, width) * max(0, height)
    return total
