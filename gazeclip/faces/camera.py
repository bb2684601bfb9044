"""The last steps every image takes, real or forged alike: sensor noise and JPEG.

Shared, so that neither gives a forgery away.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from gazeclip.faces.raster import Array, blur

QUALITY_RANGE = (88, 97)


def add_sensor_noise(image: Array, rng: np.random.Generator) -> Array:
    """Shot and read noise on float32 RGB (S, S, 3) in 0 .. 255, slightly coloured by demosaicing.

    Returns the same shape.
    """
    level = rng.uniform(0.3, 0.9)
    white = rng.standard_normal(image.shape, dtype=np.float32)
    shared = rng.standard_normal(image.shape[:2], dtype=np.float32)[..., None]
    grain = np.float32(0.7) * blur(white, 0.45) + np.float32(0.6) * shared
    # Read noise is constant, shot noise grows with the square root of the light.
    deviation = np.float32(level) * np.sqrt(
        np.float32(0.5) + np.clip(image, 0.0, 255.0) * np.float32(1.2 / 255.0)
    )
    return image + deviation * grain


def to_bytes(image: Array, rng: np.random.Generator) -> bytes:
    """Noise, rounding and JPEG of random quality (always 4:4:4): the bytes of the photo file."""
    noisy = np.clip(np.rint(add_sensor_noise(image, rng)), 0, 255).astype(np.uint8)
    quality = int(rng.integers(QUALITY_RANGE[0], QUALITY_RANGE[1] + 1))
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def decode_photo(data: bytes) -> np.ndarray:
    """The pixels uint8 (S, S, 3) of a file written by `to_bytes`."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))
