"""Angles between gazes, in NumPy: pitch and yaw in radians, in the camera frame."""

from __future__ import annotations

import numpy as np


def build_vectors(angles: np.ndarray) -> np.ndarray:
    """`(N, 2)` pitch and yaw in radians -> unit vectors `(N, 3)` in the camera frame.

    The same convention as `gazeclip.teacher.gaze.angles.gaze_vector`.
    """
    pitch, yaw = np.asarray(angles, dtype=np.float64).T
    return np.stack(
        (-np.cos(pitch) * np.sin(yaw), -np.sin(pitch), -np.cos(pitch) * np.cos(yaw)), axis=-1
    )


def measure_errors(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angles in degrees `(N,)` between gazes `(N, 2)` and `(N, 2)` or `(1, 2)` in radians.

    By atan2, which stays exact for small angles where arccos does not.
    """
    a = build_vectors(first)
    b = build_vectors(second)
    sine = np.linalg.norm(np.cross(a, b), axis=-1)
    found: np.ndarray = np.rad2deg(np.arctan2(sine, (a * b).sum(axis=-1)))
    return found
