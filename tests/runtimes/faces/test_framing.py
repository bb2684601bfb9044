"""How crops were cut is measured on them: by squares cut wider or higher by a known amount."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from gazeclip.faces.dataset import CROP as DRAWN
from gazeclip.images.crop_rule import CropRule
from runtimes.faces.box import FaceBox
from runtimes.faces.detect import FaceDetector
from runtimes.faces.framing import (
    Framing,
    Framings,
    describe_square,
    is_far,
    measure_framing,
    measure_framings,
)
from tests.runtimes.faces.pictures import draw_face

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="module")
def crops() -> list[Image.Image]:
    return [draw_face(seed) for seed in range(8)]


def widen(crop: Image.Image, by: float, down: float = 0.0) -> Image.Image:
    """The crop in the middle of a larger square, or so many of its own sides below the middle."""
    side = round(crop.width * by)
    wide = Image.new("RGB", (side, side), (90, 110, 90))
    left = (side - crop.width) // 2
    wide.paste(crop, (left, left + round(down * side)))
    return wide


def test_a_box_whose_square_is_known() -> None:
    face = FaceBox((30.0, 40.0, 70.0, 140.0), (), 0.9)  # 40 x 100, its middle at y = 90
    framing = describe_square(face, 0.0, 10.0, 120.0)  # its middle at y = 70
    assert framing.side == pytest.approx(120 / (40 * 100) ** 0.5)
    assert framing.lift == pytest.approx(20 / 120)


def measure(crops: Sequence[Image.Image], detector: FaceDetector) -> CropRule:
    """The medians; the detector's box of one face varies by some percent."""
    found = [measure_framing(crop, detector) for crop in crops]
    assert all(found)
    return Framings(tuple(one for one in found if one), 0, 0).rule()


def test_drawn_faces_stand_as_their_rule_says(
    crops: list[Image.Image], detector: FaceDetector
) -> None:
    rule = measure(crops, detector)
    assert rule.side == pytest.approx(DRAWN.side, rel=0.06)
    assert rule.lift == pytest.approx(DRAWN.lift, abs=0.03)


@pytest.mark.parametrize(("by", "down"), [(1.3, 0.0), (1.5, 0.0), (1.4, 0.08), (1.4, -0.08)])
def test_wider_and_higher_squares_are_measured_as_such(
    crops: list[Image.Image], detector: FaceDetector, by: float, down: float
) -> None:
    rule = measure([widen(crop, by, down) for crop in crops], detector)
    assert rule.side == pytest.approx(by * DRAWN.side, rel=0.06)
    # The face hangs lower in the new square, so that its middle lies higher above the face.
    assert rule.lift == pytest.approx(DRAWN.lift / by + down, abs=0.03)


def test_pictures_without_a_face_or_of_another_shape_are_counted(
    tmp_path: Path, crops: list[Image.Image], detector: FaceDetector
) -> None:
    pictures = [crops[0], Image.new("RGB", (64, 64), (10, 200, 90)), crops[1].resize((300, 200))]
    paths = []
    for number, picture in enumerate(pictures):
        paths.append(tmp_path / f"{number}.png")
        picture.save(paths[-1])
    seen: list[tuple[int, int]] = []
    framings = measure_framings(paths, detector, lambda done, total: seen.append((done, total)))
    assert (len(framings.found), framings.faceless, framings.oblong) == (1, 1, 1)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_the_rule_is_the_median() -> None:
    found = tuple(Framing(side, side / 100) for side in (1.0, 1.314, 9.0))
    assert Framings(found, 0, 0).rule() == CropRule("face", 1.31, 0.013)


@pytest.mark.parametrize(
    ("measured", "far"),
    [
        (CropRule(), False),
        (CropRule(side=1.57, lift=0.046), False),  # photographs of docs/faces.md
        (CropRule(side=1.25), True),
        (CropRule(side=1.9), True),
        (CropRule(lift=0.12), True),
    ],
)
def test_what_is_far(measured: CropRule, far: bool) -> None:
    assert is_far(CropRule(), measured) is far
