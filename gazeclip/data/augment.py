"""Replayable augmentations: drawn from a seed, kept as a short vector, applied to any copy.

The teacher's cache stores these vectors instead of pixels (the idea of dataset reinforcement,
arXiv:2303.08983), so a student sees exactly what its teacher saw.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import astuple, dataclass

import numpy as np
from PIL import Image, ImageFilter

from gazeclip.images.preprocess import INTERPOLATIONS, PixelContract


@dataclass(frozen=True)
class Augmentation:
    """One draw.

    Lengths are fractions of the image side, `jpeg` a quality (0: none), the rest is named by its
    unit.
    """

    crop_left: float = 0.0
    crop_top: float = 0.0
    crop_side: float = 1.0
    flip: float = 0.0
    brightness: float = 1.0
    contrast: float = 1.0
    shrink: float = 1.0  # down to this fraction of the side and back up
    blur_px: float = 0.0
    noise_std: float = 0.0  # in 8-bit levels
    noise_seed: float = 0.0
    jpeg: float = 0.0

    def vector(self) -> np.ndarray:
        """All parameters as float32 `(P,)`."""
        return np.array(astuple(self), dtype=np.float32)

    @classmethod
    def from_vector(cls, vector: np.ndarray) -> Augmentation:
        """Inverse of `vector`."""
        return cls(*(float(value) for value in vector))

    @property
    def flipped(self) -> bool:
        """Whether left and right change places; a horizontal gaze angle then changes its sign."""
        return self.flip > 0.5

    def apply(self, image: Image.Image, contract: PixelContract) -> np.ndarray:
        """RGB image of any size -> augmented uint8 `(size, size, 3)`."""
        box = (
            self.crop_left * image.width,
            self.crop_top * image.height,
            (self.crop_left + self.crop_side) * image.width,
            (self.crop_top + self.crop_side) * image.height,
        )
        size = contract.size
        filter_ = INTERPOLATIONS[contract.interpolation]
        image = image.resize((size, size), filter_, box=box)
        if self.flipped:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.shrink < 1.0:
            small = max(8, round(size * self.shrink))
            image = image.resize((small, small), Image.Resampling.BILINEAR)
            image = image.resize((size, size), Image.Resampling.BILINEAR)
        if self.blur_px > 0.0:
            image = image.filter(ImageFilter.GaussianBlur(self.blur_px))
        if self.brightness != 1.0 or self.contrast != 1.0 or self.noise_std > 0.0:
            image = self._change_tone(image)
        if self.jpeg > 0.0:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=round(self.jpeg))
            image = Image.open(buffer).convert("RGB")
        return np.asarray(image, dtype=np.uint8).copy()

    def _change_tone(self, image: Image.Image) -> Image.Image:
        # Contrast turns around mid-grey, brightness around black.
        centred = np.asarray(image, dtype=np.float32) - 127.5
        values = centred * (self.contrast * self.brightness) + 127.5 * self.brightness
        if self.noise_std > 0.0:
            rng = np.random.default_rng(int(self.noise_seed))
            values += rng.standard_normal(values.shape, dtype=np.float32) * self.noise_std
        return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))


def sample_augmentation(rng: np.random.Generator, strength: float = 1.0) -> Augmentation:
    """A random augmentation: crop jitter, mirror, exposure, resize, blur, noise, JPEG.

    `strength` scales the probabilities of all but the mirror. Traces of a generator live in high
    frequencies, which a crop that is scaled back up resamples away as well, so most draws keep
    them.
    """
    side = rng.uniform(0.85, 1.0) if rng.random() < 0.5 * strength else 1.0
    left, top = rng.uniform(0.0, 1.0 - side, 2)
    # One number for each change, drawn whether it happens or not: the stream stays in step.
    p = rng.random(6) / max(strength, 1e-9)
    return Augmentation(
        crop_left=float(left),
        crop_top=float(top),
        crop_side=float(side),
        flip=float(rng.random() < 0.5),
        brightness=float(rng.uniform(0.6, 1.3)) if p[0] < 0.3 else 1.0,
        contrast=float(rng.uniform(0.75, 1.25)) if p[1] < 0.3 else 1.0,
        shrink=float(rng.uniform(0.6, 1.0)) if p[2] < 0.1 else 1.0,
        blur_px=float(rng.uniform(0.2, 1.0)) if p[3] < 0.1 else 0.0,
        noise_std=float(rng.uniform(1.0, 8.0)) if p[4] < 0.1 else 0.0,
        noise_seed=float(rng.integers(1 << 24)),  # exactly representable in float32
        jpeg=float(rng.integers(50, 96)) if p[5] < 0.25 else 0.0,
    )


def draw_augmentation(
    seed: int, index: int, number: int, strength: float = 1.0, stream: str = ""
) -> Augmentation:
    """The augmentation `number` of image `index`, a function of these arguments only.

    Each use has a `stream` of its own, so that no model is shown again what the one it starts from
    was fitted to.
    """
    rng = np.random.default_rng((seed, index, number, zlib.crc32(stream.encode())))
    # float32 first, so that a draw and its stored vector are the same augmentation to the last bit
    return Augmentation.from_vector(sample_augmentation(rng, strength).vector())
