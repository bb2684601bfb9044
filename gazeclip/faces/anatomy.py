"""The renderer of procedural faces: a head in a photo, at any size.

A stack of soft shapes in face coordinates (background, hair, neck, head with Lambert shading, eyes,
brows, nose, mouth, fringe) is drawn supersampled and averaged, so the picture of one face is the
same at 96 and at 224 pixels but for its sharpness.
"""

from __future__ import annotations

import numpy as np

from gazeclip.faces.eyes import draw_eye, eye_centres, feature_shift
from gazeclip.faces.params import Colour, EyePair, FaceParams, PhotoParams
from gazeclip.faces.raster import Array, Canvas, View, blur, draw_bell, draw_noise

_HEAD_Y = 0.06
# Added to a person's seed: skin is drawn from another stream than hair.
_SKIN_STREAM = 1


def render_face(
    face: FaceParams, photo: PhotoParams, eyes: EyePair, size: int, highlight: float = 0.0
) -> Array:
    """One photo before the sensor, optical blur and white balance applied.

    Args:
        highlight: shift of the corneal reflection of one eye against the other, in iris radii; 0
            for one light seen by both eyes.

    Returns:
        float32 RGB (size, size, 3) in 0 .. 255.
    """
    canvas = Canvas(size, photo.roll, photo.shift, photo.zoom)
    view = canvas.whole
    grain = np.random.default_rng(photo.texture_seed)
    _draw_background(view, photo, grain, canvas.n)
    radius = _measure_head_radius(view, face)
    strands = draw_noise(np.random.default_rng(face.texture_seed), (10, 90), canvas.n)
    _draw_hair_behind(view, face, radius, strands)
    _draw_body(view, face)
    _draw_head(view, face, photo, radius, canvas.n)
    left, right = eye_centres(face, photo)
    draw_eye(canvas, face, photo, left, -1, eyes.left, (highlight, 0.0))
    draw_eye(canvas, face, photo, right, 1, eyes.right, (-highlight, highlight / 2))
    for centre, side in ((left, -1), (right, 1)):
        _draw_brow(canvas, face, photo, centre, side)
    shift = feature_shift(photo)
    _draw_nose(canvas, face, photo, shift)
    _draw_mouth(canvas, face, photo, shift)
    _draw_fringe(view, face, radius, strands, shift)
    gain = np.asarray(photo.white_balance, dtype=np.float32) * np.float32(photo.exposure)
    image = canvas.average_samples() * gain
    # The blur of a lens is a share of the picture: given for 96 pixels, scaled to the size.
    return np.clip(blur(image, photo.blur * size / 96.0), 0.0, 255.0)


def _draw_background(view: View, photo: PhotoParams, rng: np.random.Generator, n: int) -> None:
    """A gradient between two colours with soft blobs and some finer structure."""
    mix = 0.5 + 0.35 * draw_noise(rng, 4, n) + 0.12 * draw_noise(rng, 14, n)
    first, second = (np.asarray(c, dtype=np.float32) for c in photo.background)
    view.rgb += first + np.clip(mix, 0, 1)[..., None] * (second - first)
    view.rgb += (3.0 * draw_noise(rng, 48, n))[..., None]


def _measure_head_radius(view: View, face: FaceParams) -> Array:
    """Distance from the centre of the head in units of its outline (1 at the edge).

    A superellipse that narrows to the chin.
    """
    v = (view.y - np.float32(_HEAD_Y)) / np.float32(face.head_height)
    below = np.clip(v, 0.0, 1.2)
    width = np.float32(face.head_width) * (1.0 - np.float32(face.jaw) * below * below)
    power = face.squareness
    return (np.abs(view.x / width) ** power + np.abs(v) ** power) ** np.float32(1.0 / power)


def _draw_hair_behind(view: View, face: FaceParams, radius: Array, strands: Array) -> None:
    wide = face.head_width + face.hair_volume
    cap = 1.0 + face.hair_volume - radius
    shape = np.where(view.y < 0.12, cap, np.minimum(cap, 0.12 - view.y))
    if face.hair_length > 0.2:
        end = face.hair_length + 0.05 * strands - 0.5 * view.x**2
        bulge = wide * (1.0 + 0.05 * np.sin(3.0 * view.y)) - np.abs(view.x)
        shape = np.maximum(shape, np.minimum(bulge, np.minimum(end - view.y, view.y - 0.05)))
    view.paint(view.cover(shape), _colour_hair(face, strands, 0.75))


def _colour_hair(face: FaceParams, strands: Array, level: float) -> Array:
    tone = level * (1.0 + 0.16 * strands)
    return np.asarray(face.hair, dtype=np.float32) * tone[..., None]


def _darken(colour: Colour, share: float) -> Colour:
    red, green, blue = colour
    return share * red, share * green, share * blue


def _draw_body(view: View, face: FaceParams) -> None:
    neck = np.minimum(face.head_width * 0.62 - np.abs(view.x), view.y - 0.3)
    view.paint(view.cover(neck), _darken(face.skin, 0.72))
    shoulder = view.y - (0.86 + 0.35 * view.x * view.x)
    view.paint(view.cover(shoulder), face.cloth)


def _draw_head(view: View, face: FaceParams, photo: PhotoParams, radius: Array, n: int) -> None:
    """Skin with the shading of a ball, texture of the person, cheeks and beard; ears behind it."""
    edge = face.head_width
    for side in (-1, 1):
        ear = np.hypot((view.x - side * edge * 0.99) / 0.07, (view.y - face.eye_y - 0.1) / 0.14)
        view.paint(view.cover((1.0 - ear) * 0.07), _darken(face.skin, 0.8))
    own = np.random.default_rng(face.texture_seed + _SKIN_STREAM)  # the same in every photo
    tone = _roughen_skin(view, face, _light_ball(view, face, photo), own, n)
    colour = np.asarray(face.skin, dtype=np.float32) * tone[..., None]
    for side in (-1, 1):
        blush = draw_bell(view, side * 0.32, 0.2, 0.13, 0.11)[..., None]
        colour = colour * (1.0 - blush * np.array((0.0, 0.07, 0.05), dtype=np.float32))
    if face.beard:
        chin = np.clip((view.y - 0.28) * 5.0, 0, 1)
        rim = np.clip((radius - 0.5) * 4.0 + (view.y > 0.55) * 1.0, 0, 1)
        stubble = np.float32(face.beard) * (chin * rim) * (0.75 + 0.3 * draw_noise(own, 80, n))
        hair = np.asarray(face.hair, dtype=np.float32) * 0.7
        colour = colour + np.clip(stubble, 0, 1)[..., None] * (hair - colour)
    view.paint(view.cover((1.0 - radius) * edge), colour)


def _light_ball(view: View, face: FaceParams, photo: PhotoParams) -> Array:
    """Lambert shading (n, n) of the ball that the head is taken for, turned with the head."""
    nx = view.x / np.float32(1.05 * face.head_width)
    ny = (view.y - np.float32(_HEAD_Y)) / np.float32(1.1 * face.head_height)
    nx = nx + np.float32(0.35 * np.sin(photo.head_yaw))
    ny = ny + np.float32(0.3 * np.sin(photo.head_pitch))
    # The rim stays a little lit: a head is flatter there than a ball.
    nz = np.sqrt(np.clip(1.0 - nx * nx - ny * ny, 0.06, None))
    lambert = nx * photo.light[0] + ny * photo.light[1] + nz * photo.light[2]
    light = np.clip(lambert, 0.0, None).astype(np.float32)
    return photo.ambient + (1.08 - photo.ambient) * light


def _roughen_skin(
    view: View, face: FaceParams, tone: Array, own: np.random.Generator, n: int
) -> Array:
    """`tone` (n, n) with the marks of skin: pores, freckles, lines of age on the forehead."""
    pores = 0.015 * draw_noise(own, 64, n)
    pores = pores + 0.018 * draw_noise(own, 96, n) + 0.02 * draw_noise(own, 22, n)
    across_cheeks = np.exp(-(((view.y - 0.15) / 0.25) ** 2))
    spots = np.clip(draw_noise(own, 60, n) - 1.5, 0.0, 1.0) * across_cheeks
    tone = tone * (1.0 + (0.7 + 0.6 * face.age) * pores - 0.45 * face.freckles * spots)
    forehead = np.exp(-(((view.y + 0.36) / 0.09) ** 2) - (view.x / 0.3) ** 2)
    lines = np.sin((view.y + 0.03 * view.x**2) * 62.0) * forehead
    return tone - np.float32(0.10 * face.age**1.5) * np.clip(lines, 0.0, None)


def _draw_brow(
    canvas: Canvas, face: FaceParams, photo: PhotoParams, centre: tuple[float, float], side: int
) -> None:
    cx = centre[0] + 0.012 * side
    cy = centre[1] - face.brow_height - photo.brow_raise
    view = canvas.open_window(cx, cy, 0.24, 0.13)
    t = (view.x - cx) * np.float32(side / (face.eye_width * 1.25))
    ridge = cy - np.float32(face.brow_arch) * (1.0 - (t - 0.25) ** 2) - np.float32(0.02) * t
    thick = (
        face.brow_thick
        * np.clip(1.15 - 0.5 * t, 0.2, 1.4)
        * np.clip((1.0 - t * t) * 4.0, -1.0, 1.0)
    )
    mask = view.cover(thick - np.abs(view.y - ridge))
    hairs = 0.72 + 0.14 * np.sin(view.x * 210.0 + view.y * 130.0)
    view.paint(0.8 * mask, np.asarray(face.hair, dtype=np.float32) * hairs[..., None])


def _draw_nose(
    canvas: Canvas, face: FaceParams, photo: PhotoParams, shift: tuple[float, float]
) -> None:
    """Bridge, tip and wings by light and shadow only; the tip leads the turn of the head."""
    cx = 1.25 * shift[0]
    top = face.eye_y + shift[1]
    tip = top + face.nose_length
    view = canvas.open_window(cx, (top + tip) / 2, 0.3, face.nose_length)
    dark = 1.0 if photo.light[0] < 0 else -1.0
    width = face.nose_width
    middle = (top + tip) / 2
    view.shade(
        draw_bell(
            view, cx + dark * 0.75 * width, middle + 0.03, 0.32 * width, 0.36 * face.nose_length
        ),
        -0.2,
    )
    view.shade(draw_bell(view, cx, middle, 0.28 * width, 0.36 * face.nose_length), 0.10)
    view.shade(
        draw_bell(view, cx - dark * 0.2 * width, tip - 0.03, 0.3 * width, 0.25 * width), 0.16
    )
    view.shade(draw_bell(view, cx, tip + 0.035, 0.8 * width, 0.018), -0.30)
    for side in (-1, 1):
        view.shade(draw_bell(view, cx + side * 0.45 * width, tip + 0.012, 0.2 * width, 0.013), -0.5)
        view.shade(draw_bell(view, cx + side * 1.0 * width, tip - 0.01, 0.12 * width, 0.03), -0.22)


def _draw_mouth(
    canvas: Canvas, face: FaceParams, photo: PhotoParams, shift: tuple[float, float]
) -> None:
    """Lips, the gap between them with teeth, and the folds that smiling and age leave beside it."""
    cx = 1.1 * shift[0]
    cy = face.mouth_y + shift[1]
    half = face.mouth_width * (1.0 + 0.16 * photo.smile)
    view = canvas.open_window(cx, cy, 0.42, 0.3)
    t = (view.x - cx) / np.float32(half)
    arc = np.clip(1.0 - t * t, 0.0, None)
    middle = cy - np.float32(0.07 * photo.smile) * t * t
    gap = np.float32(0.045 * photo.mouth_open) * arc
    bow = 1.0 - 0.28 * np.exp(-((t / 0.16) ** 2))
    upper_edge = middle - gap - np.float32(1.5 * face.lip_upper) * arc**0.8 * bow
    lower_edge = middle + gap + np.float32(1.4 * face.lip_lower) * arc**0.8
    inside = (arc > 0).astype(np.float32)
    lips = view.cover(np.minimum(view.y - upper_edge, lower_edge - view.y)) * inside
    tone = np.where(view.y < middle, 0.82, 1.0).astype(np.float32)
    lit = photo.ambient + (1.0 - photo.ambient) * max(photo.light[2], 0.3)
    view.paint(
        0.9 * lips, np.asarray(face.lip, dtype=np.float32) * (tone * np.float32(lit))[..., None]
    )
    view.shade(
        lips
        * draw_bell(
            view, cx, cy + 0.75 * face.lip_lower + 0.03 * photo.mouth_open, 0.3 * half, 0.012
        ),
        0.25,
    )
    open_mask = view.cover(gap + np.float32(0.004) - np.abs(view.y - middle)) * inside
    teeth = np.clip((0.6 - np.abs(t)) * 6.0, 0, 1) * (view.y < middle + 0.2 * gap)
    colour = np.array((48, 20, 20), dtype=np.float32) + teeth[..., None] * np.float32(
        min(photo.mouth_open, 1.0) * 165
    )
    view.paint(open_mask, colour)
    view.shade(draw_bell(view, cx, cy + 1.7 * face.lip_lower + 0.055, 0.6 * half, 0.018), -0.14)
    depth = 0.12 * max(photo.smile, 0.0) + 0.18 * face.age
    for side in (-1, 1):
        view.shade(draw_bell(view, cx + side * (half + 0.045), cy - 0.07, 0.014, 0.06), -depth)


def _draw_fringe(
    view: View, face: FaceParams, radius: Array, strands: Array, shift: tuple[float, float]
) -> None:
    """Hair in front, above a line that comes down at the temples and rises at the parting."""
    away = (view.x - np.float32(face.parting)) / np.float32(face.head_width)
    line = face.hairline + 0.4 * shift[1] + 0.34 * np.abs(away) ** 2.2 + 0.02 * strands
    # Never over the eyes: the fringe ends above the brows except at the temples.
    brows = face.eye_y + shift[1] - face.brow_height
    temples = 1.3 * np.clip(np.abs(view.x - shift[0]) - 0.44, 0.0, None)
    clear = brows - 0.03 + temples
    line = np.minimum(line, clear)
    shape = np.minimum(line - view.y, 1.0 + face.hair_volume - radius)
    shine = 1.0 + 0.35 * np.exp(-(((radius - 0.93) / 0.08) ** 2))
    view.paint(view.cover(shape), _colour_hair(face, strands, 0.95) * shine[..., None])
