"""Procedural faces in larger pictures, found by both libraries; and what is said without one."""

from __future__ import annotations

import hashlib
import importlib.util
import math
import statistics
from pathlib import Path

import pytest
from PIL import Image

from gazeclip.errors import ArtifactError, MissingDependencyError
from gazeclip.faces.dataset import CROP as DRAWN
from runtimes.faces import network
from runtimes.faces.box import FaceBox
from runtimes.faces.crop import cut_square
from runtimes.faces.detect import FaceDetector
from runtimes.faces.usable import find_obstacle
from tests.runtimes.faces.pictures import draw_face, make_picture

LIBRARIES = ("onnxruntime", "openvino")


def make_detector(library: str) -> FaceDetector:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    detector = FaceDetector(threads=1, wish=library)
    assert detector.library == library
    return detector


@pytest.fixture(scope="module", params=LIBRARIES)
def detector(request: pytest.FixtureRequest) -> FaceDetector:
    return make_detector(request.param)


@pytest.mark.parametrize("seed", range(4))
def test_a_training_crop_comes_back(detector: FaceDetector, seed: int) -> None:
    picture = make_picture()
    left = 110 * seed + 40
    top = 90 * seed + 50
    picture.paste(draw_face(seed), (left, top))
    (face,) = detector.find(picture)
    assert face.score > 0.8
    crop = cut_square(face, *picture.size, DRAWN)
    # The drawn heads differ in shape and the crop does not know: it follows the detector's box.
    true = (left, top, left + 224, top + 224)
    assert max(abs(a - b) for a, b in zip(crop, true, strict=True)) <= 20
    assert find_obstacle(face, crop, picture.size, 96) is None
    right_eye, left_eye, nose, *mouth = face.points
    assert right_eye[0] < nose[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(corner[1] for corner in mouth)


def test_the_drawn_faces_are_cut_as_they_say(detector: FaceDetector) -> None:
    sides = []
    lifts = []
    for seed in range(24):
        face = detector.find(draw_face(seed, side=96))[0]
        side = 96 / math.sqrt(face.width * face.height)
        sides.append(side)
        lifts.append((face.box[1] + face.box[3] - 96) / 2 / 96)
    # Heads differ by a tenth from person to person, so a median of 24 by some hundredths.
    assert statistics.median(sides) == pytest.approx(DRAWN.side, abs=0.05)
    assert statistics.median(lifts) == pytest.approx(DRAWN.lift, abs=0.02)


def test_training_crops_come_back_within_a_few_pixels(detector: FaceDetector) -> None:
    errors = []
    for seed in range(24):
        picture = make_picture()
        left = 37 * seed % 600 + 20
        top = 53 * seed % 400 + 20
        picture.paste(draw_face(seed), (left, top))
        crop = cut_square(detector.find(picture)[0], *picture.size, DRAWN)
        true = (left, top, left + 224, top + 224)
        errors.append(max(abs(a - b) for a, b in zip(crop, true, strict=True)))
    # Of 224 pixels, at the edge that is farthest off; heads differ and one rule is for all.
    assert statistics.median(errors) <= 12
    assert max(errors) <= 25


def test_several_faces_the_largest_first(detector: FaceDetector) -> None:
    picture = make_picture(1200, 800)
    places = [(50, 60, 180), (500, 200, 300), (900, 500, 240)]
    for seed, (left, top, side) in enumerate(places):
        picture.paste(draw_face(seed).resize((side, side)), (left, top))
    faces = detector.find(picture)
    assert len(faces) == 3
    for face, (left, top, side) in zip(faces, sorted(places, key=lambda p: -p[2]), strict=True):
        assert (face.box[0] + face.box[2]) / 2 == pytest.approx(left + side / 2, abs=0.1 * side)
        assert (face.box[1] + face.box[3]) / 2 == pytest.approx(top + side / 2, abs=0.15 * side)


def test_a_picture_without_a_face_has_none(detector: FaceDetector) -> None:
    assert detector.find(make_picture()) == []
    assert detector.find(Image.new("RGB", (1, 1))) == []


@pytest.mark.parametrize("edge", ["left", "right", "top", "bottom"])
def test_a_face_cut_off_at_the_edge_reaches_beyond_it(detector: FaceDetector, edge: str) -> None:
    picture = make_picture()
    side = 300
    hidden = 130  # of the image; the face begins some 55 pixels inside
    x = {"left": -hidden, "right": 900 - side + hidden}.get(edge, 300)
    y = {"top": -hidden, "bottom": 700 - side + hidden}.get(edge, 200)
    picture.paste(draw_face(0, side), (x, y))
    (face,) = detector.find(picture)
    crop = cut_square(face, *picture.size, DRAWN)
    assert find_obstacle(face, crop, picture.size, 96) == "cut_off"


def test_both_libraries_find_the_same() -> None:
    picture = make_picture()
    picture.paste(draw_face(1), (310, 220))
    first, second = (make_detector(name).find(picture) for name in LIBRARIES)

    def flatten(faces: list[FaceBox]) -> list[float]:
        return [value for face in faces for row in (face.box, *face.points) for value in row]

    # float32 sums in another order; a thousandth of a pixel moves no crop but at a half
    assert flatten(first) == pytest.approx(flatten(second), abs=2e-2)
    assert [face.score for face in first] == pytest.approx([f.score for f in second], abs=1e-3)


def test_the_library_that_is_wished_for_or_the_one_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = {"onnxruntime", "openvino"}
    monkeypatch.setattr(network, "is_installed", lambda name: name in there)
    assert network.choose_library() == network.choose_library("litert") == "onnxruntime"
    assert network.choose_library("openvino") == "openvino"
    there.remove("onnxruntime")
    assert network.choose_library("onnxruntime") == "openvino"
    there.clear()
    with pytest.raises(MissingDependencyError, match=r"neither is installed.*pip install"):
        network.choose_library()


def test_a_damaged_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = network.MODEL.read_bytes()
    assert hashlib.sha256(content).hexdigest() == network.MODEL_SHA256
    spoiled = tmp_path / "yunet.onnx"
    spoiled.write_bytes(content[:-1] + b"\0")
    monkeypatch.setattr(network, "MODEL", spoiled)
    with pytest.raises(ArtifactError, match="not the face detector"):
        FaceDetector()
    spoiled.unlink()
    with pytest.raises(ArtifactError, match="cannot be read"):
        FaceDetector()
