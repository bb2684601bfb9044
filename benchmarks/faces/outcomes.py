"""What `verify` answers to photographs of each kind in which no face can be judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.faces.scenes import DRAWN_SIDE, draw_background, draw_crop
from benchmarks.faces.turned import draw_turned
from gazeclip.errors import FaceError, ImageError
from gazeclip.images.crop_rule import FACE
from runtimes import Verifier
from runtimes.answers import Tally

_SIZE = (640, 480)
_SIDE = 260  # of the crop around a face


class Answer(NamedTuple):
    """One kind of photograph: its outcome or verdict, the exit code, and what is said."""

    kind: str
    outcome: str
    exit_code: int
    said: str


def answer_kinds(verifier: Verifier) -> list[Answer]:
    """Each kind judged as a photograph of its own."""
    answers = []
    for kind, draw in KINDS.items():
        tally = Tally(FACE)
        (outcome, *_) = verifier.outcomes(draw(verifier.bundle.contract.size), crop=FACE)
        tally.add(outcome)
        if isinstance(outcome, FaceError):
            name = outcome.outcome
            said = f"{outcome.message.partition(': ')[2]}. {outcome.remedy}"
        elif isinstance(outcome, ImageError):
            name = "error"
            said = str(outcome)
        else:
            name = outcome.verdict
            said = ""
        answers.append(Answer(kind, name, tally.exit_code(), said))
    return answers


def _draw_scene(crop: Image.Image | None, corner: tuple[int, int] = (190, 110)) -> Image.Image:
    picture = draw_background(np.random.default_rng(3), *_SIZE)
    if crop is not None:
        picture.paste(crop, corner)
    return picture


def _draw_face(side: int = _SIDE) -> Image.Image:
    return draw_crop(0).resize((side, side), Image.Resampling.BICUBIC)


def _draw_small(size: int) -> Image.Image:
    """A face whose square is a little too small."""
    side = size // 2 - 2
    factor = max(1.0, 40 / side)  # below 40 pixels the detector would not see it
    return _draw_scene(_draw_face(round(side * factor * 0.9)))


def _draw_cut(_size: int) -> Image.Image:
    """Nearly half of a face is missing; of less the detector sees a whole one."""
    return _draw_scene(_draw_face(), (_SIZE[0] - round(0.52 * _SIDE), 110))


def _draw_blurred(_size: int) -> Image.Image:
    return _draw_scene(_draw_face().filter(ImageFilter.GaussianBlur(8)))


def _draw_aside(_size: int) -> Image.Image:
    """One whose nose the detector places beside the eyes: of others it says less."""
    return _draw_scene(draw_turned(-80, 3).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))


KINDS: dict[str, Callable[[int], Image.Image]] = {
    "a face": lambda size: _draw_scene(_draw_face()),
    "a scene without a face": lambda size: _draw_scene(None),
    "a face that is too small": _draw_small,
    "a face cut off at the edge": _draw_cut,
    "a blurred face": _draw_blurred,
    "a face turned aside": _draw_aside,
    "one colour": lambda size: Image.new("RGB", _SIZE, (90, 120, 150)),
    "a drawing of lines": lambda size: Image.fromarray(_draw_lines()),
    "a face on its side": lambda size: _draw_scene(_draw_face()).rotate(90, expand=True),
    "a face upside down": lambda size: _draw_scene(_draw_face()).rotate(180),
    "a training crop": lambda size: draw_crop(0).resize((DRAWN_SIDE, DRAWN_SIDE)),
}


def _draw_lines() -> np.ndarray:
    """A page of text, as far as a detector can see."""
    rng = np.random.default_rng(5)
    page = np.full((_SIZE[1], _SIZE[0], 3), 250, np.uint8)
    for top in range(30, _SIZE[1] - 30, 24):
        inked = rng.random(_SIZE[0]) < 0.5
        page[top : top + 10, inked] = 20
    return page
