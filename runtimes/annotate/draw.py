"""A picture with marks drawn in: lines around faces, and labels that can be read at any size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from runtimes.annotate.marks import Colour, Mark
from runtimes.annotate.place import Area, place_labels

# Smaller letters of Pillow's font are not read easily.
_SMALLEST_LETTERS = 12  # pixels
# Share of the picture's size: where it is seen 1000 pixels wide, letters have some 16.
_LETTERS = 0.018
_LETTERS_OF_SHORT_SIDE = 0.05  # of a narrow picture, whose height a label must not fill
_TITLE = 1.25  # times the other letters
_PADDING = 0.35
_LINE = 0.16  # width of the line around a face, of the letters' size
# A picture with a shorter side has no room for words; each of its pixels becomes a square.
_SHORTEST_SIDE = 200
_THINNEST_LINE = 3
_LONGEST_ENLARGED = 4096
_EDGE: Colour = (0, 0, 0)
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class _Label(NamedTuple):
    """Lines of text, each with its font, and the size of all with their padding."""

    lines: list[tuple[str, Font]]
    size: tuple[int, int]


def draw_marks(image: Image.Image, marks: Sequence[Mark]) -> Image.Image:
    """A copy of an RGB picture with its marks, and with nothing else that the picture carried.

    It has the size of the picture, but for one whose shorter side is below 200 pixels: that is
    enlarged by a whole number.
    """
    factor = choose_enlargement(image.size)
    canvas = Image.new("RGB", image.size)
    canvas.paste(image)
    if factor > 1:
        size = (image.width * factor, image.height * factor)
        canvas = canvas.resize(size, Image.Resampling.NEAREST)
    letters = choose_letters(canvas.size)
    draw = ImageDraw.Draw(canvas)
    boxes = [_find_area(mark, factor, canvas.size) for mark in marks]
    for mark, box in zip(marks, boxes, strict=True):
        if mark.framed:
            _draw_box(draw, box, mark, max(_THINNEST_LINE, round(letters * _LINE)))
    labels = [_make_label(mark, letters, canvas.width) for mark in marks]
    places = place_labels([label.size for label in labels], boxes, canvas.size)
    for mark, label, place in zip(marks, labels, places, strict=True):
        _draw_label(draw, place, label, mark, letters)
    return canvas


def choose_enlargement(size: tuple[int, int]) -> int:
    """How many times larger a picture is drawn, so that words have room in it; mostly once."""
    wished = math.ceil(_SHORTEST_SIDE / min(size))
    return max(1, min(wished, _LONGEST_ENLARGED // max(size)))


def choose_letters(size: tuple[int, int]) -> int:
    """Pixels that letters have in a picture of this width and height."""
    by_area = _LETTERS * math.sqrt(size[0] * size[1])
    by_short_side = _LETTERS_OF_SHORT_SIDE * min(size)
    return max(_SMALLEST_LETTERS, round(min(by_area, by_short_side)))


def _find_area(mark: Mark, factor: int, picture: tuple[int, int]) -> Area:
    """A mark's box in the enlarged picture, cut off at its edge."""
    if mark.box is None:
        return 0, 0, *picture
    x0, y0, x1, y1 = (value * factor for value in mark.box)
    return max(0, x0), max(0, y0), min(picture[0], x1), min(picture[1], y1)


def _draw_box(draw: ImageDraw.ImageDraw, box: Area, mark: Mark, width: int) -> None:
    """A line along the inside of a box, edged with black, so that it is seen on any ground."""
    edge = max(1, width // 3)
    for start, end in _list_sides(box, width + 2 * edge):
        draw.rectangle((*start, *end), fill=_EDGE)
    inner = (box[0] + edge, box[1] + edge, box[2] - edge, box[3] - edge)
    for start, end in _list_sides(inner, width):
        for part in _cut_side(start, end, 4 * width) if mark.style.dashed else [(*start, *end)]:
            draw.rectangle(part, fill=mark.style.fill)


def _list_sides(box: Area, width: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The four sides as rectangles, first and last pixel; thinner where the box is narrow."""
    x0, y0, x1, y1 = box
    width = min(width, (x1 - x0) // 2, (y1 - y0) // 2)
    if width < 1:
        return
    yield (x0, y0), (x1 - 1, y0 + width - 1)
    yield (x0, y1 - width), (x1 - 1, y1 - 1)
    yield (x0, y0), (x0 + width - 1, y1 - 1)
    yield (x1 - width, y0), (x1 - 1, y1 - 1)


def _cut_side(start: tuple[int, int], end: tuple[int, int], dash: int) -> Iterator[Area]:
    """Dashes along the longer way of a rectangle, with gaps of half their length."""
    step = dash + dash // 2
    if end[0] - start[0] >= end[1] - start[1]:
        for left in range(start[0], end[0] + 1, step):
            yield left, start[1], min(left + dash - 1, end[0]), end[1]
    else:
        for top in range(start[1], end[1] + 1, step):
            yield start[0], top, end[0], min(top + dash - 1, end[1])


def _make_label(mark: Mark, letters: int, width: int) -> _Label:
    """A mark's words in lines that fit the width of the picture."""
    padding = round(letters * _PADDING)
    room = width - 2 * padding
    lines = []
    for number, phrase in enumerate((mark.title, *mark.details)):
        font = _load_font(round(letters * _TITLE) if number == 0 else letters)
        lines += [(line, font) for line in _break_lines(phrase, font, room)]
    widest = max(math.ceil(font.getlength(line)) for line, font in lines)
    height = sum(_measure_line(font) for _, font in lines)
    return _Label(lines, (widest + 2 * padding, height + 2 * padding))


def _break_lines(phrase: str, font: Font, room: int) -> list[str]:
    """The words of a phrase in as many lines as they need; a word that is too long has its own."""
    lines: list[str] = []
    for word in phrase.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _draw_label(
    draw: ImageDraw.ImageDraw, place: Area, label: _Label, mark: Mark, letters: int
) -> None:
    padding = round(letters * _PADDING)
    x0, y0, x1, y1 = place
    draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=mark.style.fill, outline=_EDGE)
    top = y0 + padding
    for line, font in label.lines:
        draw.text((x0 + padding, top), line, fill=mark.style.ink, font=font)
        top += _measure_line(font)


def _measure_line(font: Font) -> int:
    """Height of a line with its letters' tails."""
    if isinstance(font, ImageFont.FreeTypeFont):
        return sum(font.getmetrics())
    return math.ceil(font.getbbox("Ag")[3])


@lru_cache(16)
def _load_font(size: int) -> Font:
    """Pillow's own font, which needs none to be installed."""
    return ImageFont.load_default(size)
