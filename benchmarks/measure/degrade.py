"""What happens to pictures on their way to a detector, each at a few strengths.

A disturbance takes the decoded picture at its own size and gives one of the same size, before the
pixel contract scales it. Lengths are given for a side of 224 pixels and grow with the picture.
Everything random comes from a generator that the caller seeds.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

SIDE = 224  # pixels, which lengths are given for
SHIFTED = 3  # pixels by which the second JPEG's blocks miss the first one's
SECOND_QUALITY = 85
READ_NOISE = 1.5  # standard deviation in 8-bit levels, of a sensor whose signal is amplified

Degrade = Callable[[Image.Image, float, np.random.Generator], Image.Image]


@dataclass(frozen=True)
class Family:
    """One kind of disturbance; `levels` from mild to strong, in the unit that `axis` names."""

    key: str
    title: str
    axis: str
    levels: tuple[float, ...]
    apply: Degrade


@dataclass(frozen=True)
class Cell:
    """One disturbance at one strength."""

    family: Family
    level: float

    @property
    def title(self) -> str:
        """Such as `JPEG 30`."""
        return f"{self.family.title} {self.level:g}"

    def degrade(self, image: Image.Image, seed: int, number: int) -> Image.Image:
        """An RGB picture disturbed; `number` is the picture's in its split.

        What is drawn depends on seed, cell and number only, so that a subset of the pictures gets
        what it gets among all.
        """
        place = (FAMILIES.index(self.family), self.family.levels.index(self.level))
        rng = np.random.default_rng((seed, *place, number))
        return self.family.apply(image, self.level, rng)


def save_jpeg(image: Image.Image, quality: float, _: np.random.Generator) -> Image.Image:
    """As a JPEG of this quality, 4:2:0 as cameras and messengers write it."""
    return _pass_through(image, "JPEG", quality=round(quality), subsampling=2)


def save_jpeg_twice(image: Image.Image, quality: float, rng: np.random.Generator) -> Image.Image:
    """A JPEG of this quality and then one of 85 whose blocks lie elsewhere, as after a crop."""
    first = save_jpeg(image, quality, rng)
    box = (SHIFTED, SHIFTED, first.width + SHIFTED, first.height + SHIFTED)
    # Read beyond the edge and pasted back, so that the picture itself stays in its place.
    beyond = ((0, SHIFTED), (0, SHIFTED), (0, 0))
    padded = Image.fromarray(np.pad(np.asarray(first), beyond, "edge"))
    moved = save_jpeg(padded.crop(box), SECOND_QUALITY, rng)
    padded.paste(moved, (SHIFTED, SHIFTED))
    return padded.crop((0, 0, first.width, first.height))


def save_webp(image: Image.Image, quality: float, _: np.random.Generator) -> Image.Image:
    """As a lossy WebP."""
    return _pass_through(image, "WEBP", quality=round(quality))


def shrink(image: Image.Image, percent: float, _: np.random.Generator) -> Image.Image:
    """Down to so many per cent of its side, and back."""
    small = _scaled(image, percent / 100.0, Image.Resampling.BICUBIC)
    return small.resize(image.size, Image.Resampling.BICUBIC)


def show_on_screen(image: Image.Image, factor: float, _: np.random.Generator) -> Image.Image:
    """Enlarged for a screen by a factor that is no whole number, and the screenshot reduced."""
    shown = _scaled(image, factor, Image.Resampling.BILINEAR)
    return shown.resize(image.size, Image.Resampling.BOX)


def blur(image: Image.Image, sigma: float, _: np.random.Generator) -> Image.Image:
    """Gaussian blur, its standard deviation in pixels of a side of 224."""
    return image.filter(ImageFilter.GaussianBlur(sigma * max(image.size) / SIDE))


def add_noise(image: Image.Image, deviation: float, rng: np.random.Generator) -> Image.Image:
    """Gaussian noise in every channel, in 8-bit levels."""
    levels = np.asarray(image, dtype=np.float32)
    return _from_levels(levels + rng.normal(0.0, deviation, levels.shape))


def darken(image: Image.Image, percent: float, rng: np.random.Generator) -> Image.Image:
    """So many per cent of the light, and the sensor's noise in what is left.

    Light is what sRGB decodes to (IEC 61966-2-1), not the levels themselves.
    """
    levels = np.asarray(image, dtype=np.float64) / 255.0
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    light *= percent / 100.0
    dark = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return _from_levels(255.0 * dark + rng.normal(0.0, READ_NOISE, levels.shape))


def jitter_crop(image: Image.Image, percent: float, rng: np.random.Generator) -> Image.Image:
    """A face found up to so many per cent of the side elsewhere, and as much larger or smaller."""
    width, height = image.size
    across, down, zoom = rng.uniform(-1.0, 1.0, 3) * percent / 100.0
    pad = int(np.ceil(2.0 * percent / 100.0 * max(image.size))) + 1
    edges = ((pad, pad), (pad, pad), (0, 0))
    padded = Image.fromarray(np.pad(np.asarray(image), edges, "reflect"))
    left = pad + width * (across - zoom / 2)
    top = pad + height * (down - zoom / 2)
    box = (left, top, left + width * (1.0 + zoom), top + height * (1.0 + zoom))
    return padded.resize(image.size, Image.Resampling.BICUBIC, box=box)


def stir_canvas(image: Image.Image, levels: float, rng: np.random.Generator) -> Image.Image:
    """Every value up or down by at most so many levels, as browsers do against fingerprinting."""
    values = np.asarray(image, dtype=np.int16)
    most = round(levels)
    return _from_levels(values + rng.integers(-most, most + 1, values.shape))


def _pass_through(image: Image.Image, kind: str, **options: int) -> Image.Image:
    """Encoded and decoded again."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return Image.open(buffer).convert("RGB")


def _scaled(image: Image.Image, factor: float, how: Image.Resampling) -> Image.Image:
    width, height = (max(1, round(factor * side)) for side in image.size)
    return image.resize((width, height), how)


def _from_levels(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


FAMILIES = (
    Family("jpeg", "JPEG", "quality", (90, 75, 60, 40, 30), save_jpeg),
    Family("double_jpeg", "double JPEG", "first quality", (75, 50, 30), save_jpeg_twice),
    Family("webp", "WebP", "quality", (80, 50, 30), save_webp),
    Family("resize", "resize", "% of the side", (75, 50, 25), shrink),
    Family("screenshot", "screenshot", "enlarged by", (2.2, 1.25, 1.5), show_on_screen),
    Family("blur", "blur", "sigma, px of 224", (1, 2, 4), blur),
    Family("noise", "noise", "levels", (2, 5, 10), add_noise),
    Family("low_light", "low light", "% of the light", (50, 25, 10), darken),
    Family("crop", "crop jitter", "% of the side", (3, 6, 12), jitter_crop),
    Family("canvas", "canvas noise", "levels", (1,), stir_canvas),
)


def list_cells() -> Iterator[Cell]:
    """The whole grid, family by family."""
    for family in FAMILIES:
        for level in family.levels:
            yield Cell(family, level)
