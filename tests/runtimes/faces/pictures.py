"""Photographs with procedural faces in them, for tests of finding and judging."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image

from gazeclip.faces import render_one


def draw_face(seed: int, side: int = 224) -> Image.Image:
    """A training image of the procedural faces."""
    return Image.fromarray(_render_face(seed, side))


def make_picture(width: int = 900, height: int = 700) -> Image.Image:
    """A background without a face: soft blotches and noise."""
    return Image.fromarray(_make_background(width, height))


# Kept, as many tests look at the same ones; what a test paints over is a copy.
@functools.cache
def _render_face(seed: int, side: int) -> np.ndarray:
    return render_one("real", size=side, seed=seed)[1]


@functools.lru_cache(maxsize=4)
def _make_background(width: int, height: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    coarse = Image.fromarray(rng.integers(60, 200, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    noisy = smooth + rng.normal(0, 4, smooth.shape)
    return noisy.clip(0, 255).astype(np.uint8)
