"""Gaze as two angles: unit vectors, errors, losses."""

from __future__ import annotations

import torch
from torch import Tensor


def gaze_vector(angles: Tensor) -> Tensor:
    """`(B, 2)` pitch and yaw in radians -> unit vectors `(B, 3)` in the camera frame."""
    pitch, yaw = angles.unbind(-1)
    return torch.stack((-pitch.cos() * yaw.sin(), -pitch.sin(), -pitch.cos() * yaw.cos()), dim=-1)


def mirror_doubt(gaze: Tensor, mirrored: Tensor) -> Tensor:
    """How far a face's gaze and that of its mirror image, mirrored back, differ: `(B, 2)`.

    Pitch and yaw in radians; mirroring back changes the sign of yaw.
    """
    return gaze - mirrored * mirrored.new_tensor((1.0, -1.0))


def angular_error(pred: Tensor, target: Tensor) -> Tensor:
    """Angle in radians `(B,)` between two gazes `(B, 2)`.

    atan2 keeps gradients finite where arccos does not.
    """
    a = gaze_vector(pred)  # (B, 3)
    b = gaze_vector(target)
    # Of unit vectors the cross product is as long as the sine, the dot product is the cosine.
    sine = torch.linalg.vector_norm(torch.linalg.cross(a, b), dim=-1)
    return torch.atan2(sine, (a * b).sum(-1))


def gaze_loss(pred: Tensor, target: Tensor) -> Tensor:
    """Mean angular error in radians, a scalar, over the samples that have a gaze label (no NaN)."""
    known = torch.isfinite(target).all(-1)
    if not bool(known.any()):  # 0, but with a path to the parameters for `backward`
        return pred.sum() * 0.0
    return angular_error(pred[known], target[known]).mean()
