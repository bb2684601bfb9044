"""Whether a face can be judged, and the names of what cannot."""

from __future__ import annotations

import math

from gazeclip.errors import FaceError
from runtimes.faces.box import FaceBox
from runtimes.faces.crop import Crop

NO_FACE = "no_face"
TOO_SMALL = "too_small"
CUT_OFF = "cut_off"
TURNED_AWAY = "turned_away"
BLURRED = "blurred"
# What is said of a photograph whose largest face is of this kind, and what to do.
_MEANINGS = {
    NO_FACE: (
        "no face found",
        "Use a photograph that shows the face larger, or --crop whole for a face crop",
    ),
    TOO_SMALL: (
        "its face is too small to be judged",
        "Use a larger photograph; enlarging this one adds nothing",
    ),
    CUT_OFF: ("its face is cut off at the edge", "Use a photograph that shows the whole face"),
    TURNED_AWAY: ("its face is turned away", "Use a photograph taken more from the front"),
    BLURRED: ("its face is blurred", "Use a sharper photograph"),
}
OUTCOMES = tuple(_MEANINGS)
# A smaller crop would be enlarged more than twice, and its pixels be made up.
MAX_ENLARGEMENT = 2.0
# Of the box. The detector places the edge of a cut face too far inside: it says about half of what
# is missing at the left or right, so this is a fifth of the face.
MAX_OUTSIDE = 0.1
# How far the nose lies beside the middle of the eyes, by their distance. From the front it is near
# 0; at 0.75 it lies well beyond an eye.
MAX_TURN = 0.75


def find_obstacle(face: FaceBox, crop: Crop, picture: tuple[int, int], size: int) -> str | None:
    """Why a face in this place cannot be judged; None if it can. Blur is another matter.

    Args:
        picture: width and height.
        size: side of the model's input.
    """
    if crop.side * MAX_ENLARGEMENT < size:
        return TOO_SMALL
    if measure_outside(face, picture) > MAX_OUTSIDE or _has_point_outside(face, picture):
        return CUT_OFF
    return TURNED_AWAY if measure_turn(face) > MAX_TURN else None


def measure_outside(face: FaceBox, picture: tuple[int, int]) -> float:
    """Share of the box's area that lies outside the picture."""
    x0, y0, x1, y1 = face.box
    seen_width = max(0.0, min(x1, picture[0]) - max(x0, 0.0))
    seen_height = max(0.0, min(y1, picture[1]) - max(y0, 0.0))
    area = face.width * face.height
    return 1.0 - seen_width * seen_height / area if area > 0 else 1.0


def measure_turn(face: FaceBox) -> float:
    """Distance of the nose from the middle of the eyes along their line, by the eyes' distance."""
    (right_x, right_y), (left_x, left_y), (nose_x, nose_y) = face.points[:3]
    across = (left_x - right_x, left_y - right_y)
    apart = math.hypot(*across)
    if apart == 0:  # one behind the other
        return math.inf
    beside = (nose_x - (right_x + left_x) / 2, nose_y - (right_y + left_y) / 2)
    return abs(across[0] * beside[0] + across[1] * beside[1]) / apart**2


def describe_obstacle(name: str, outcome: str) -> FaceError:
    """The error of a photograph without a usable face.

    Args:
        name: of the photograph.
        outcome: one of `OUTCOMES`, of its largest face.
    """
    what, remedy = _MEANINGS[outcome]
    return FaceError(f"{name}: {what}", outcome, remedy=remedy)


def _has_point_outside(face: FaceBox, picture: tuple[int, int]) -> bool:
    width, height = picture
    return any(not (0 <= x <= width and 0 <= y <= height) for x, y in face.points)
