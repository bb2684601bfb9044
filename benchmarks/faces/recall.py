"""How many faces are found, and how many that are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.faces.scenes import Scene
from runtimes.faces.box import FaceBox
from runtimes.faces.detect import FaceDetector

# Sides of crops by which faces are counted, in pixels.
EDGES = (60, 100, 160, 200, 260, 320)


def count_found(detector: FaceDetector, scenes: Iterable[Scene]) -> dict[str, Counter[int]]:
    """By the lower edge of a crop's side: `there`, `found`; and `beside`, `double` of all scenes.

    A crop is found if a box's middle lies in its middle third; a further box in it is a double,
    which may be a second face of the photograph. What lies in no crop is beside.
    """
    counts: dict[str, Counter[int]] = {
        name: Counter() for name in ("there", "found", "beside", "double")
    }
    for scene in scenes:
        faces = detector.find(scene.picture)
        counts["beside"][0] += sum(not _inside_any(face, scene.places) for face in faces)
        for left, top, side in scene.places:
            size = max(edge for edge in EDGES if edge <= side)
            hits = [face for face in faces if _lies_in(face, (left, top, side), 0.0)]
            good = any(_lies_in(face, (left, top, side), 1 / 3) for face in hits)
            counts["there"][size] += 1
            counts["found"][size] += good
            counts["double"][size] += max(0, len(hits) - 1)
    return counts


def _inside_any(face: FaceBox, places: Sequence[tuple[int, int, int]]) -> bool:
    return any(_lies_in(face, place, 0.0) for place in places)


def _lies_in(face: FaceBox, place: tuple[int, int, int], margin: float) -> bool:
    """Whether a box's middle lies in a square, a share of its side left out at each edge."""
    left, top, side = place
    x = (face.box[0] + face.box[2]) / 2 - left
    y = (face.box[1] + face.box[3]) / 2 - top
    low = margin * side
    return low <= x <= side - low and low <= y <= side - low
