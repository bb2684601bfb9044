"""What a procedural face is made of: who it is, how the photo was taken, where the eyes look.

Everything here is a plain number in resolution-free units: lengths are in face units (the image
spans -1 .. 1 on both axes, x to the right, y downwards), angles in radians, colours in 0 .. 255
RGB. The renderer turns them into pixels at any size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PITCH_LIMIT = 0.4
YAW_LIMIT = 0.6

Colour = tuple[float, float, float]

_SKIN = (
    (250, 217, 190),
    (236, 192, 158),
    (214, 164, 124),
    (176, 122, 86),
    (128, 84, 58),
    (92, 60, 44),
)
_IRIS = ((92, 58, 34), (58, 38, 28), (84, 122, 158), (92, 124, 88), (122, 132, 138), (130, 98, 52))
_HAIR = ((34, 28, 26), (66, 44, 30), (112, 74, 44), (186, 146, 88), (150, 78, 44), (150, 148, 146))
_CLOTH = ((60, 74, 104), (120, 52, 54), (70, 96, 74), (200, 196, 188), (44, 44, 48), (150, 120, 80))


def _to_colour(values: np.ndarray) -> Colour:
    red, green, blue = values
    return float(red), float(green), float(blue)


def _pick_colour(
    rng: np.random.Generator, palette: tuple[tuple[int, int, int], ...], jitter: float
) -> Colour:
    base = np.array(palette[int(rng.integers(len(palette)))], dtype=np.float64)
    return _to_colour(np.clip(base + rng.normal(0.0, jitter, 3), 8.0, 250.0))


def _mix_skin(rng: np.random.Generator) -> Colour:
    """A tone between two neighbours of the palette, so that tones are continuous."""
    place = float(rng.uniform(0.0, len(_SKIN) - 1.001))
    low = int(place)
    mixed = np.array(_SKIN[low]) * (1 - (place - low)) + np.array(_SKIN[low + 1]) * (place - low)
    return _to_colour(np.clip(mixed + rng.normal(0.0, 4.0, 3), 20.0, 250.0))


@dataclass(frozen=True)
class FaceParams:
    """One identity: everything that stays the same from photo to photo."""

    skin: Colour
    iris: Colour
    hair: Colour
    cloth: Colour
    lip: Colour
    head_width: float
    head_height: float
    jaw: float
    squareness: float
    eye_y: float
    eye_spacing: float
    eye_width: float
    eye_open: float
    eye_tilt: float
    iris_radius: float
    brow_height: float
    brow_thick: float
    brow_arch: float
    nose_length: float
    nose_width: float
    mouth_y: float
    mouth_width: float
    lip_upper: float
    lip_lower: float
    hairline: float
    hair_length: float
    hair_volume: float
    parting: float
    beard: float
    age: float
    freckles: float
    texture_seed: int

    @classmethod
    def from_identity(cls, identity: int, seed: int = 0) -> FaceParams:
        """The face of identity number `identity` (>= 0) in the world of `seed`.

        The same pair is always the same face.
        """
        rng = np.random.default_rng(np.random.SeedSequence((seed, 0xFACE, identity)))
        skin = _mix_skin(rng)
        redder = np.clip(np.array(skin) * (0.86, 0.58, 0.60) + rng.normal(0.0, 5.0, 3), 10.0, 240.0)
        uniform = rng.uniform
        bearded = rng.random() < 0.28
        return cls(
            skin=skin,
            iris=_pick_colour(rng, _IRIS, 7.0),
            hair=_pick_colour(rng, _HAIR, 3.0),
            cloth=_pick_colour(rng, _CLOTH, 20.0),
            lip=_to_colour(redder),
            head_width=float(uniform(0.52, 0.64)),
            head_height=float(uniform(0.72, 0.84)),
            jaw=float(uniform(0.14, 0.42)),
            squareness=float(uniform(1.95, 2.5)),
            eye_y=float(uniform(-0.10, -0.05)),
            eye_spacing=float(uniform(0.255, 0.285)),
            eye_width=float(uniform(0.17, 0.195)),
            eye_open=float(uniform(0.085, 0.11)),
            eye_tilt=float(uniform(-0.12, 0.14)),
            iris_radius=float(uniform(0.08, 0.09)),
            brow_height=float(uniform(0.16, 0.21)),
            brow_thick=float(uniform(0.018, 0.042)),
            brow_arch=float(uniform(0.01, 0.06)),
            nose_length=float(uniform(0.27, 0.36)),
            nose_width=float(uniform(0.075, 0.125)),
            mouth_y=float(uniform(0.41, 0.48)),
            mouth_width=float(uniform(0.17, 0.25)),
            lip_upper=float(uniform(0.022, 0.045)),
            lip_lower=float(uniform(0.03, 0.06)),
            hairline=float(uniform(-0.62, -0.40)),
            hair_length=float(uniform(-0.2, 0.9)),
            hair_volume=float(uniform(0.05, 0.17)),
            parting=float(uniform(-0.3, 0.3)),
            beard=float(uniform(0.25, 0.7)) if bearded else 0.0,
            age=float(rng.beta(1.2, 2.2)),
            freckles=float(uniform(0.0, 1.0) ** 2),
            texture_seed=int(rng.integers(2**31)),
        )


@dataclass(frozen=True)
class EyePair:
    """Gaze of each eye as (pitch, yaw) in radians in the camera's frame.

    `left` is the eye on the left of the image. The unit vector is
    (-cos p sin y, -sin p, -cos p cos y): positive pitch looks up, positive yaw to the left of the
    image.
    """

    left: tuple[float, float]
    right: tuple[float, float]

    @property
    def label(self) -> tuple[float, float]:
        """Mean (pitch, yaw) of both eyes: what a gaze estimator is asked for."""
        return (self.left[0] + self.right[0]) / 2, (self.left[1] + self.right[1]) / 2


def eye_pair(
    pitch: float,
    yaw: float,
    vergence: float = 0.0,
    vertical: float = 0.0,
    twist: tuple[float, float] = (0.0, 0.0),
) -> EyePair:
    """Both eyes from one direction.

    Args:
        pitch, yaw: radians, clipped to the limits of the renderer.
        vergence: radians between the two eyes; positive turns them towards each other (a near
            target), negative apart.
        vertical: radians of pitch between left and right eye (zero in a healthy pair).
        twist: further (pitch, yaw) of the left eye against the right one, split over both.
    """
    pitch = float(np.clip(pitch, -PITCH_LIMIT, PITCH_LIMIT))
    yaw = float(np.clip(yaw, -YAW_LIMIT, YAW_LIMIT))
    half_pitch = (vertical + twist[0]) / 2
    # The left eye of the image turns to the right of the image (negative yaw) to converge.
    half_yaw = (-vergence + twist[1]) / 2
    return EyePair((pitch + half_pitch, yaw + half_yaw), (pitch - half_pitch, yaw - half_yaw))


@dataclass(frozen=True)
class PhotoParams:
    """One photograph: everything that has nothing to do with who is in it or whether it is real."""

    roll: float
    shift: tuple[float, float]
    zoom: float
    head_pitch: float
    head_yaw: float
    light: tuple[float, float, float]
    ambient: float
    smile: float
    mouth_open: float
    lid: float
    brow_raise: float
    background: tuple[Colour, Colour]
    white_balance: Colour
    exposure: float
    blur: float
    texture_seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, gaze: tuple[float, float]) -> PhotoParams:
        """Random conditions; the head turns a little towards the gaze (radians), as heads do."""
        azimuth = rng.uniform(-1.1, 1.1)
        elevation = rng.uniform(-0.1, 0.9)
        light = (
            np.sin(azimuth) * np.cos(elevation),
            -np.sin(elevation),
            np.cos(azimuth) * np.cos(elevation),
        )
        first, second = (rng.uniform(45, 205) + rng.normal(0.0, 22.0, 3) for _ in range(2))
        gains = 1.0 + rng.normal(0.0, 0.035, 3)
        return cls(
            roll=float(rng.normal(0.0, 0.05)),
            shift=(float(rng.normal(0.0, 0.02)), float(rng.normal(0.0, 0.02))),
            zoom=float(rng.uniform(1.06, 1.18)),
            head_pitch=float(np.clip(0.3 * gaze[0] + rng.normal(0.0, 0.05), -0.35, 0.35)),
            head_yaw=float(np.clip(0.3 * gaze[1] + rng.normal(0.0, 0.07), -0.4, 0.4)),
            light=(float(light[0]), float(light[1]), float(light[2])),
            ambient=float(rng.uniform(0.45, 0.75)),
            smile=float(rng.uniform(-0.3, 1.0)),
            mouth_open=float(max(0.0, rng.normal(-0.2, 0.6))),
            lid=float(rng.uniform(0.85, 1.1)),
            brow_raise=float(rng.normal(0.0, 0.015)),
            background=(_to_colour(first), _to_colour(second)),
            white_balance=_to_colour(gains),
            exposure=float(rng.uniform(0.8, 1.15)),
            blur=float(rng.uniform(0.25, 0.6)),
            texture_seed=int(rng.integers(2**31)),
        )


def natural_gaze(rng: np.random.Generator) -> EyePair:
    """Gaze of a living person: many directions, both eyes meeting in a point 0.4 .. 2 m away."""
    pitch = float(rng.normal(0.0, 0.16))
    yaw = float(rng.normal(0.0, 0.26))
    return eye_pair(pitch, yaw, vergence=0.062 / float(rng.uniform(0.4, 2.0)) * 0.5)
