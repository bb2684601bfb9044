"""Marks in pictures of any size: lines where the box is, words that fit, the rest as it was."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFont

from runtimes.annotate.draw import choose_enlargement, choose_letters, draw_marks
from runtimes.annotate.marks import STYLES, Mark

GREY = (128, 128, 128)
DETAILS = ("LLR +13.37, moderately strong evidence", "A generator of faces 0.99")


def find_colour(image: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a picture `(H, W)` has exactly this colour."""
    return (np.asarray(image) == colour).all(axis=2)


def test_the_line_lies_inside_its_box_and_all_else_is_left() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    box = (300, 200, 500, 450)
    drawn = draw_marks(Image.fromarray(noise), [Mark(STYLES["fake"], "fake", (), box)])
    assert drawn.size == (800, 600)
    changed = (np.asarray(drawn) != noise).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert rows.max() == 449 and columns.min() == 300  # the label is above
    assert not changed[220:430, 320:480].any()  # the face
    assert changed[200:450, 300].all() and changed[449, 300:500].all()
    line = find_colour(drawn, STYLES["fake"].fill)
    assert line[325, 300:310].sum() >= 3 and line[325, 490:500].sum() >= 3


def test_a_dashed_line_has_gaps_and_a_solid_one_none() -> None:
    plain = Image.new("RGB", (800, 600), GREY)
    shares = {}
    for name, style in STYLES.items():
        drawn = draw_marks(plain, [Mark(style, name, (), (300, 200, 500, 450))])
        shares[name] = find_colour(drawn, style.fill)[:, 300:306].any(axis=1)[210:440].mean()
    assert shares["fake"] == shares["real"] == 1
    assert 0.5 < shares["inconclusive"] < 0.8


@pytest.mark.parametrize(
    "size",
    [(200, 200), (224, 224), (640, 480), (1200, 200), (300, 2000), (4000, 3000), (6000, 260)],
)
def test_words_fit_and_are_large_enough(size: tuple[int, int]) -> None:
    style = STYLES["fake"]
    drawn = draw_marks(Image.new("RGB", size, GREY), [Mark(style, "fake", DETAILS, framed=False)])
    assert drawn.size == size
    label = ~find_colour(drawn, GREY)
    rows, columns = np.nonzero(label)
    height, width = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    letters = choose_letters(size)
    font = ImageFont.load_default(letters)
    # All words are there: the label has at least the area that they take in one line.
    needed = sum(font.getlength(line) for line in DETAILS) * letters
    assert width <= size[0] and needed <= width * height
    assert height < 0.5 * size[1] and letters >= 12
    ink = find_colour(drawn, style.ink)
    assert not ink[label].all() and ink[rows.min() + 2 : rows.max() - 1].any()


@pytest.mark.parametrize("size", [(96, 96), (32, 32), (64, 300), (17, 1000), (1, 1), (1, 9000)])
def test_small_pictures_are_enlarged_by_whole_numbers(size: tuple[int, int]) -> None:
    factor = choose_enlargement(size)
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    box = (0, 0, size[0] // 2, size[1] // 2)
    marks = [Mark(STYLES["real"], "real", DETAILS, box), Mark(STYLES["fake"], "fake")]
    drawn = draw_marks(Image.fromarray(noise), marks)
    assert drawn.size == (size[0] * factor, size[1] * factor)
    assert min(drawn.size) >= 200 or max(drawn.size) + max(size) > 4096
    framed = draw_marks(Image.fromarray(noise), [])
    assert (np.asarray(framed) == noise.repeat(factor, axis=0).repeat(factor, axis=1)).all()


def test_boxes_beyond_the_edge_are_cut_off() -> None:
    plain = Image.new("RGB", (400, 300), GREY)
    boxes = [(-50, -20, 90, 120), (350, 250, 480, 390), (500, 500, 600, 600), (10, 10, 11, 11)]
    drawn = draw_marks(plain, [Mark(STYLES["real"], "real", (), box) for box in boxes])
    assert find_colour(drawn, STYLES["real"].fill)[:120, 0:8].any()


def test_nothing_that_the_picture_carried_is_taken_along() -> None:
    carried = Image.new("RGB", (300, 300))
    carried.info = {"comment": b"where I live", "exif": b"Exif", "icc_profile": b"x", "xmp": b"y"}
    assert draw_marks(carried, [Mark(STYLES["real"], "real")]).info == {}
