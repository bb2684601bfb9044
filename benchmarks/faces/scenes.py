"""Pictures with faces pasted into them at known places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from gazeclip.data.rows import read_samples
from gazeclip.errors import ConfigError
from gazeclip.faces import render_one
from gazeclip.faces.generators import LABELS
from gazeclip.images.preprocess import load_image
from gazeclip.taxonomy import Taxonomy

DRAWN_SIDE = 224
_DRAWN = 120


class Scene(NamedTuple):
    """A picture and the squares `(left, top, side)` at which crops were pasted."""

    picture: Image.Image
    places: list[tuple[int, int, int]]


def read_crops(manifest: Path | None, taxonomy: str, split: str) -> list[Image.Image]:
    """The face crops of a split, or drawn ones where no manifest is given.

    Raises:
        ConfigError: the split has no images.
    """
    if manifest is None:
        return [draw_crop(number) for number in range(_DRAWN)]
    samples = read_samples(manifest, Taxonomy.load(taxonomy))
    crops = [load_image(sample.path) for sample in samples if sample.split == split]
    if not crops:
        raise ConfigError(f"{manifest} has no images in split '{split}'", remedy="Name another")
    return crops


def draw_crop(number: int) -> Image.Image:
    """A drawn face, real and each kind of forgery in turn."""
    label = list(LABELS)[number % len(LABELS)]
    return Image.fromarray(render_one(label, size=DRAWN_SIDE, index=number)[1])


def draw_background(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Soft blotches, some hard edges, and a camera's noise; no face."""
    coarse = Image.fromarray(rng.integers(40, 215, (7, 9, 3), dtype=np.uint8))
    soft = coarse.resize((width, height), Image.Resampling.BICUBIC)
    for _ in range(12):
        colour = tuple(int(value) for value in rng.integers(20, 235, 3))
        size = (int(rng.integers(10, width // 4)), int(rng.integers(10, height // 4)))
        corner = (int(rng.integers(0, width - size[0])), int(rng.integers(0, height - size[1])))
        soft.paste(colour, (*corner, corner[0] + size[0], corner[1] + size[1]))
    noise = rng.normal(0, 5, (height // 2 + 1, width // 2 + 1, 1)).astype(np.float32)
    noise = np.repeat(np.repeat(noise, 2, axis=0), 2, axis=1)[:height, :width]
    pixels = (np.asarray(soft, np.float32) + noise).clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def paste_crops(
    picture: Image.Image, crops: Sequence[Image.Image], sides: Sequence[int], seed: int
) -> Scene:
    """Crops beside each other in columns of equal width, each somewhere in its own."""
    rng = np.random.default_rng(seed)
    column = picture.width // len(crops)
    places = []
    for number, (crop, side) in enumerate(zip(crops, sides, strict=True)):
        left = number * column + int(rng.integers(0, column - side + 1))
        top = int(rng.integers(0, picture.height - side + 1))
        picture.paste(crop.resize((side, side), Image.Resampling.BICUBIC), (left, top))
        places.append((left, top, side))
    return Scene(picture, places)


def make_scenes(
    crops: Sequence[Image.Image], count: int, sides: tuple[int, int], seed: int
) -> Iterator[Scene]:
    """Pictures of 1280 x 960 with three crops each, of sides drawn evenly between two."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        chosen = [crops[(3 * number + place) % len(crops)] for place in range(3)]
        drawn = [int(rng.integers(sides[0], sides[1] + 1)) for _ in chosen]
        yield paste_crops(draw_background(rng, 1280, 960), chosen, drawn, seed + number)
