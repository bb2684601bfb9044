"""Disturbances: each does what its name says, to any size of picture, and the same each time."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.measure.degrade import FAMILIES, Cell, Family, list_cells

CELLS = list(list_cells())


def draw_picture(width: int = 96, height: int = 80, seed: int = 0) -> Image.Image:
    """A smooth picture with some detail."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(30, 226, (10, 12, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    detail = rng.normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(smooth + detail, 0, 255).astype(np.uint8))


def find_cell(key: str, level: float) -> Cell:
    (family,) = (family for family in FAMILIES if family.key == key)
    return Cell(family, level)


def disturb(key: str, level: float, image: Image.Image, number: int = 0) -> np.ndarray:
    found = find_cell(key, level).degrade(image, 0, number)
    return np.asarray(found, dtype=np.float64)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.title)
@pytest.mark.parametrize("size", [(96, 80), (65, 130)])
def test_a_picture_keeps_its_size_and_changes(cell: Cell, size: tuple[int, int]) -> None:
    image = draw_picture(*size)
    before = np.asarray(image).copy()
    found = cell.degrade(image, 0, 3)
    assert found.size == size and found.mode == "RGB"
    assert (np.asarray(found) != before).any()
    assert (np.asarray(image) == before).all()  # which the next cell is given


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.title)
def test_the_same_picture_is_disturbed_alike_each_time(cell: Cell) -> None:
    image = draw_picture()
    first = np.asarray(cell.degrade(image, 1, 5))
    assert (first == np.asarray(cell.degrade(image, 1, 5))).all()


@pytest.mark.parametrize("key", ["noise", "low_light", "crop", "canvas"])
def test_what_is_drawn_depends_on_seed_and_picture(key: str) -> None:
    image = draw_picture()
    level = next(family.levels[-1] for family in FAMILIES if family.key == key)
    cell = find_cell(key, level)
    first = np.asarray(cell.degrade(image, 0, 0))
    assert (first != np.asarray(cell.degrade(image, 0, 1))).any()
    assert (first != np.asarray(cell.degrade(image, 1, 0))).any()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.key)
def test_levels_run_from_mild_to_strong(family: Family) -> None:
    """The mean change of the picture grows; crops are drawn, so a mean of several is taken."""
    pictures = [draw_picture(seed=seed) for seed in range(6)]
    changes = []
    for level in family.levels:
        cell = Cell(family, level)
        total = 0.0
        for number, image in enumerate(pictures):
            found = np.asarray(cell.degrade(image, 0, number), np.float64)
            total += np.abs(found - np.asarray(image, np.float64)).mean()
        changes.append(total)
    assert changes == sorted(changes)


def test_jpeg_is_what_pillow_writes_with_coarse_colour() -> None:
    image = draw_picture()
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40, subsampling="4:2:0")
    expected = np.asarray(Image.open(buffer), np.float64)
    assert (disturb("jpeg", 40, image) == expected).all()


def test_the_second_jpeg_has_its_blocks_elsewhere_and_the_picture_its_place() -> None:
    image = draw_picture()
    once = disturb("jpeg", 75, image)
    twice = disturb("double_jpeg", 75, image)
    buffer = io.BytesIO()
    Image.fromarray(once.astype(np.uint8)).save(buffer, "JPEG", quality=85, subsampling=2)
    aligned = np.asarray(Image.open(buffer), np.float64)
    assert np.abs(twice - aligned).mean() > 0.2
    # A picture that had moved by three pixels would differ by far more than compression costs.
    moved = np.roll(once, 3, axis=1)
    assert np.abs(twice - once).mean() < 0.5 * np.abs(moved - once).mean()


def test_noise_has_the_deviation_that_it_names() -> None:
    grey = Image.new("RGB", (200, 200), (128, 128, 128))
    found = disturb("noise", 5, grey) - 128.0
    # 120,000 values: the estimate is within 1% of the truth; rounding adds 1/12 to the variance.
    assert found.std() == pytest.approx(np.sqrt(25 + 1 / 12), rel=0.02)
    assert abs(found.mean()) < 0.1


def test_low_light_is_a_share_of_the_light_and_not_of_the_levels() -> None:
    grey = Image.new("RGB", (200, 200), (188, 188, 188))  # 50% of the light
    found = disturb("low_light", 25, grey)
    light = ((0.125 + 0.0) ** (1 / 2.4)) * 1.055 - 0.055  # sRGB of 12.5% of the light
    assert found.mean() == pytest.approx(255 * light, abs=1.0)  # 188 is not quite 50%


def test_canvas_noise_moves_no_value_by_more_than_a_level() -> None:
    image = draw_picture()
    found = disturb("canvas", 1, image) - np.asarray(image, np.float64)
    assert set(np.unique(found)) == {-1.0, 0.0, 1.0}


def test_a_jittered_crop_shows_another_window() -> None:
    """A ramp moves by at most the shift and the zoom, and by something."""
    ramp = np.repeat(np.arange(100, dtype=np.uint8)[None, :, None], 100, axis=0)
    image = Image.fromarray(np.repeat(ramp, 3, axis=2))
    moves = [disturb("crop", 12, image, number)[50, 50, 0] - 50 for number in range(20)]
    assert max(np.abs(moves)) <= 12 + 1
    assert np.std(moves) > 3


def test_resizing_takes_the_finest_detail_first() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    spread = [disturb("resize", level, image).std() for level in (75, 50, 25)]
    assert np.asarray(image, np.float64).std() > spread[0] > spread[1] > spread[2]
