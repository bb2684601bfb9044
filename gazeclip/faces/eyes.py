"""Eyes of a procedural face, placed by gaze: ball, iris, pupil, reflection, lids and lashes."""

from __future__ import annotations

import numpy as np

from gazeclip.faces.params import FaceParams, PhotoParams
from gazeclip.faces.raster import Canvas, View, draw_bell

# Radius of the eyeball over half the width of the opening: how far the iris travels with the gaze.
BALL = 1.3


def eye_centres(
    face: FaceParams, photo: PhotoParams
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Centres (x, y) in face units of the image's left and right eye; they turn with the head."""
    cx, cy = feature_shift(photo)
    squeeze = np.cos(photo.head_yaw)
    half = face.eye_spacing * squeeze
    return (float(cx - half), face.eye_y + cy), (float(cx + half), face.eye_y + cy)


def feature_shift(photo: PhotoParams) -> tuple[float, float]:
    """Shift (x, y) of the features against the head's outline when it turns: a ball's parallax."""
    return float(-0.42 * np.sin(photo.head_yaw)), float(-0.36 * np.sin(photo.head_pitch))


def iris_offset(
    face: FaceParams, photo: PhotoParams, gaze: tuple[float, float]
) -> tuple[float, float]:
    """Shift (x, y) in face units of the iris against the centre of the eye.

    `gaze` is (pitch, yaw) in radians in the camera's frame.
    """
    pitch, yaw = gaze
    reach = BALL * face.eye_width
    dx = -reach * np.cos(pitch) * np.sin(yaw)
    dy = -reach * np.sin(pitch)
    # The canvas rolls with the head, the gaze does not.
    cos = np.cos(photo.roll)
    sin = np.sin(photo.roll)
    return float(cos * dx + sin * dy), float(cos * dy - sin * dx)


def draw_eye(
    canvas: Canvas,
    face: FaceParams,
    photo: PhotoParams,
    centre: tuple[float, float],
    side: int,
    gaze: tuple[float, float],
    highlight: tuple[float, float] = (0.0, 0.0),
) -> None:
    """One eye; `side` is -1 for the left of the image, 1 for the right.

    `highlight` shifts the corneal reflection (iris radii).
    """
    cx, cy = centre
    width = face.eye_width
    opening = face.eye_open * photo.lid
    view = canvas.open_window(cx, cy, width * 1.9, width * 1.5)
    t = (view.x - cx) / np.float32(width)  # -1 .. 1 from corner to corner
    tilt = np.float32(-face.eye_tilt * side * width) * t
    arc = np.clip(1.0 - t * t, 0.0, None)
    lift = 1.0 + 0.55 * np.sin(gaze[0])
    upper = cy + tilt - np.float32(opening * lift) * arc**0.75
    lower = cy + tilt + np.float32(0.72 * opening * (1.0 - 0.2 * np.sin(gaze[0]))) * arc
    _draw_socket(view, cx, cy, width)
    inside = np.minimum(view.y - upper, lower - view.y)
    mask = view.cover(inside) * (arc > 0)
    ball = 1.0 - 0.22 * t * t
    view.paint(mask, np.stack([ball * 238, ball * 232, ball * 228], axis=-1))
    offset_x, offset_y = iris_offset(face, photo, gaze)
    _draw_iris(view, mask, face, photo, (cx + offset_x, cy + offset_y), gaze, highlight)
    # The upper lid casts a soft shadow on the ball; lashes are the dark line along its edge.
    view.shade(mask * np.exp(-(((view.y - upper) / np.float32(0.35 * opening)) ** 2)), -0.42)
    lash = view.cover(np.float32(0.011) * (0.6 + arc) - np.abs(view.y - upper)) * (arc > 0)
    view.paint(0.85 * lash, (30.0, 22.0, 20.0))
    above_lid = view.y - upper + np.float32(0.034) * arc**0.5
    crease = view.cover(np.float32(0.006) - np.abs(above_lid)) * (arc > 0.05)
    view.shade(crease, -0.3)
    view.shade(view.cover(np.float32(0.006) - np.abs(view.y - lower)) * (arc > 0), -0.25)


def _draw_socket(view: View, cx: float, cy: float, width: float) -> None:
    view.shade(draw_bell(view, cx, cy - 0.02, 0.95 * width, 0.6 * width), -0.22)


def _draw_iris(
    view: View,
    opening: np.ndarray,
    face: FaceParams,
    photo: PhotoParams,
    centre: tuple[float, float],
    gaze: tuple[float, float],
    highlight: tuple[float, float],
) -> None:
    """Iris with limbal ring and rays, pupil and reflection; foreshortened by the gaze."""
    dx = view.x - np.float32(centre[0])
    dy = view.y - np.float32(centre[1])
    radius = face.iris_radius
    squash_x = max(0.6, np.cos(gaze[1]))
    squash_y = max(0.6, np.cos(gaze[0]))
    distance = np.sqrt((dx / np.float32(squash_x)) ** 2 + (dy / np.float32(squash_y)) ** 2)
    inner = distance / np.float32(radius)
    rays = 1.0 + 0.14 * np.sin(11.0 * np.arctan2(dy, dx) + face.texture_seed % 7)
    tone = (1.12 - 0.55 * inner**4) * rays
    colour = np.asarray(face.iris, dtype=np.float32) * tone[..., None]
    view.paint(opening * view.cover(radius - distance), colour)
    view.paint(opening * view.cover(np.float32(0.42 * radius) - distance), (12.0, 10.0, 10.0))
    gx = centre[0] + radius * (0.34 * photo.light[0] + highlight[0])
    gy = centre[1] + radius * (0.30 * photo.light[1] - 0.18 + highlight[1])
    glint = np.hypot(view.x - np.float32(gx), view.y - np.float32(gy))
    view.paint(0.92 * opening * view.cover(np.float32(0.2 * radius) - glint), (252.0, 252.0, 250.0))
