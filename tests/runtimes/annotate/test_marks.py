"""What is drawn for an outcome, in colours that everybody tells apart."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gazeclip.errors import FaceError
from runtimes import Attribution, Face, Verdict, load
from runtimes.annotate.marks import STYLES, UNJUDGED, Style, make_marks

ALL_STYLES = [*STYLES.values(), UNJUDGED]
# Linear RGB as people see it who lack the long, middle or short cones: Machado et al. 2009, A
# physiologically-based model for simulation of color vision deficiency, severity 1.
BLINDNESS = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
# sRGB to XYZ (IEC 61966-2-1), for white D65.
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linearise(colour: tuple[int, int, int]) -> np.ndarray:
    value = np.array(colour) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def measure_contrast(style: Style) -> float:
    """As WCAG 2 defines it."""
    one, other = (TO_XYZ[1] @ linearise(colour) for colour in (style.fill, style.ink))
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def find_lab(linear: np.ndarray) -> np.ndarray:
    ratio = TO_XYZ @ np.clip(linear, 0, 1) / TO_XYZ.sum(axis=1)
    curved = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = curved
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("style", ALL_STYLES)
def test_words_stand_out_from_their_ground(style: Style) -> None:
    assert measure_contrast(style) >= 4.5  # WCAG 2, level AA


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_colours_differ_for_every_eye(blindness: str) -> None:
    seen = [find_lab(np.array(BLINDNESS[blindness]) @ linearise(s.fill)) for s in ALL_STYLES]
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(one - other) > 20  # CIE 1976; 2.3 is just noticed
    doubtful = [style.dashed for style in STYLES.values()]
    assert doubtful == [name == "inconclusive" for name in STYLES]


@pytest.fixture(scope="module")
def verdict(bundles: dict[str, Path], photos: dict[str, Path]) -> Verdict:
    return load(bundles["onnx"], threads=1).verify(photos["fake"])[0]


def with_face(verdict: Verdict, number: int, *unjudged: str) -> Verdict:
    boxes = tuple((place, 0, place + 9, 9) for place, _ in enumerate(unjudged))
    face = Face(number, (1, 2, 30, 40), (0, 0, 50, 50), 0.9, unjudged, boxes)
    return replace(verdict, face=face)


def test_a_mark_says_what_was_found(verdict: Verdict) -> None:
    (mark,) = make_marks([verdict])
    generator = verdict.generator
    assert generator is not None
    assert (mark.title, mark.box, mark.style) == ("fake", None, STYLES["fake"])
    assert mark.details == (
        f"LLR {verdict.llr:+.2f}, {verdict.strength} evidence",
        f"{generator.title} {generator.p:.2f}",
    )
    first, second, small, blurred = make_marks(
        [with_face(verdict, 1, "too_small", "blurred"), with_face(verdict, 2)]
    )
    assert (first.title, second.title, first.box) == ("1: fake", "2: fake", (1, 2, 30, 40))
    assert (small.title, small.details, small.box) == ("not judged", ("too small",), (0, 0, 9, 9))
    assert (blurred.details, blurred.box, blurred.style) == (("blurred",), (1, 0, 10, 9), UNJUDGED)
    (alone,) = make_marks([with_face(verdict, 1)])
    assert alone.title == "fake"


def test_a_picture_without_a_verdict_says_why(verdict: Verdict) -> None:
    (mark,) = make_marks([FaceError("a.jpg: no face found", "no_face")])
    assert (mark.title, mark.details, mark.style) == ("no verdict", ("no face",), UNJUDGED)


def test_each_face_of_a_picture_without_a_verdict_says_why() -> None:
    error = FaceError("a.jpg: its face is cut off", "cut_off")
    error.faces = (("cut_off", (5, 5, 9, 9)), ("too_small", (1, 1, 2, 2)))
    marks = make_marks([error])
    assert [(mark.title, mark.details, mark.box) for mark in marks] == [
        ("no verdict", ("cut off",), (5, 5, 9, 9)),
        ("no verdict", ("too small",), (1, 1, 2, 2)),
    ]


def test_a_crowd_is_counted(verdict: Verdict) -> None:
    _, crowd = make_marks([with_face(verdict, 1, *["too_small"] * 6, "blurred")])
    assert (crowd.title, crowd.details) == ("7 faces: not judged", ("too small: 6, blurred: 1",))
    assert crowd.box is None and not crowd.framed


def test_letters_that_the_font_lacks_are_not_drawn(verdict: Verdict) -> None:
    for title, drawn in (("Überblendung", "Überblendung"), ("換顔", "swap"), ("a\nb", "swap")):
        generator = Attribution("swap", title, "face_swap", "graphics", 0.5)
        (mark,) = make_marks([replace(verdict, generator=generator)])
        assert mark.details[1] == f"{drawn} 0.50"
