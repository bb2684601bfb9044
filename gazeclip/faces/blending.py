"""Putting one face into another photo: masks, blending, local warps, loss of resolution.

Images are float32 RGB (S, S, 3) in 0 .. 255, masks (S, S) in 0 .. 1.
"""

from __future__ import annotations

import numpy as np

from gazeclip.faces.eyes import eye_centres, feature_shift
from gazeclip.faces.params import FaceParams, PhotoParams
from gazeclip.faces.raster import Array, Canvas, blur, draw_bell, resize, sample_bilinear


def _open_canvas(photo: PhotoParams, size: int) -> Canvas:
    """Face coordinates of a finished image, on a sample grid that is twice as dense."""
    return Canvas(size, photo.roll, photo.shift, photo.zoom)


def inner_mask(
    face: FaceParams, photo: PhotoParams, size: int, feather: float, grow: float = 1.0
) -> Array:
    """Inner face (brows to chin) as a soft mask (S, S).

    Args:
        feather: width of its edge in face units.
        grow: factor on its radii.
    """
    # Every second sample (S, S); the superellipse is that of the head, smaller and lower.
    whole = _open_canvas(photo, size).whole
    x = whole.x[::2, ::2]
    y = whole.y[::2, ::2]
    shift = feature_shift(photo)
    u = (x - np.float32(shift[0])) / np.float32(grow * 0.82 * face.head_width)
    v = (y - np.float32(0.16 + shift[1])) / np.float32(grow * 0.58 * face.head_height)
    radius = (np.abs(u) ** 2.4 + np.abs(v) ** 2.4) ** np.float32(1 / 2.4)
    return np.clip((1.0 - radius) * np.float32(0.45 / feather) + 0.5, 0.0, 1.0)


def feature_mask(face: FaceParams, photo: PhotoParams, size: int) -> Array:
    """Eyes and mouth as a soft mask (S, S): the regions that a reenactment drives."""
    canvas = _open_canvas(photo, size)
    shift = feature_shift(photo)
    total = np.zeros_like(canvas.whole.x)
    for cx, cy in eye_centres(face, photo):
        total = np.maximum(
            total, draw_bell(canvas.whole, cx, cy, 1.35 * face.eye_width, 0.9 * face.eye_width)
        )
    mouth = draw_bell(canvas.whole, shift[0], face.mouth_y + shift[1], 1.2 * face.mouth_width, 0.16)
    return np.clip(1.8 * np.maximum(total, mouth)[::2, ::2] - 0.25, 0.0, 1.0)


def lower_resolution(image: Array, factor: float) -> Array:
    """Shrink to `factor` of the size and enlarge again: a source smaller than the hole it fills."""
    size = image.shape[0]
    small = max(8, round(size * factor))
    return resize(resize(image, (small, small)), (size, size))


def blend_poisson(target: Array, source: Array, mask: Array) -> Array:
    """Seamless cloning: inside the mask the source's gradients, on its edge the target's colours.

    The colour difference on the seam is carried inwards by a smooth membrane (normalised
    convolution from coarse to fine), an approximation of the Poisson equation of Perez et al.
    (2003), doi:10.1145/882262.882269.
    """
    size = target.shape[0]
    seam = np.clip(mask * (1.0 - mask) * 4.0, 0.0, 1.0)[..., None]
    difference = (target - source) * seam
    membrane = np.zeros_like(target)
    # Coarse levels reach the middle of the face; finer ones correct them near the seam.
    for scale in (16, 8, 4):
        cells = max(3, size // scale)
        weight = resize(seam[..., 0], (cells, cells))[..., None]
        value = resize(difference, (cells, cells))
        weight = blur(np.clip(weight, 0, None), 1.5)
        value = blur(value, 1.5)
        known = np.clip(resize(weight[..., 0], (size, size)), 0.0, None)[..., None]
        level = resize(value, (size, size)) / (known + np.float32(1e-3))
        trust = np.clip(known * 12.0, 0.0, 1.0) if scale < 16 else np.float32(1.0)
        membrane = membrane + trust * (level - membrane)
    return target + mask[..., None] * (source + membrane - target)


def blend_alpha(target: Array, source: Array, mask: Array) -> Array:
    """Plain opacity blending (S, S, 3): the colours of the source stay as they are."""
    return target + mask[..., None] * (source - target)


def match_colour(target: Array, source: Array, mask: Array, amount: float) -> Array:
    """Move the source's mean and spread inside the mask towards the target's.

    `amount` is the share of the way, 0 .. 1.
    """
    weight = mask[..., None] / np.float32(mask.sum() + 1e-6)
    mean_t = (target * weight).sum(axis=(0, 1))
    mean_s = (source * weight).sum(axis=(0, 1))
    spread_t = np.sqrt(((target - mean_t) ** 2 * weight).sum(axis=(0, 1)) + 1.0)
    spread_s = np.sqrt(((source - mean_s) ** 2 * weight).sum(axis=(0, 1)) + 1.0)
    gain = np.float32(1.0 - amount) + np.float32(amount) * np.clip(spread_t / spread_s, 0.6, 1.6)
    return (source - mean_s) * gain + mean_s + np.float32(amount) * (mean_t - mean_s)


def warp_twice(image: Array, mask: Array, rng: np.random.Generator, reach: float) -> Array:
    """Warp the masked regions by a smooth field of about `reach` pixels and back.

    Content in place, detail resampled away.
    """
    size = image.shape[0]
    fields = [
        resize(rng.standard_normal((5, 5), dtype=np.float32), (size, size)) * np.float32(reach)
        for _ in range(2)
    ]
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    dx = fields[0] * mask
    dy = fields[1] * mask
    there = sample_bilinear(image, columns + dx, rows + dy)
    back = sample_bilinear(there, columns - dx, rows - dy)
    return image + np.clip(1.5 * mask, 0.0, 1.0)[..., None] * (back - image)
