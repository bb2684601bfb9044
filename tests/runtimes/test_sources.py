"""Faces of photographs to verdicts in Python: the crop as if it had been brought as a file."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from gazeclip.errors import ConfigError, FaceError, ImageError, MissingDependencyError
from gazeclip.images import preprocess
from gazeclip.images.preprocess import PixelContract, load_image
from gazeclip.images.source import ImageSource
from runtimes import Face, Verdict, Verifier, load
from runtimes.faces import network
from runtimes.faces.detect import FaceDetector
from runtimes.sources import Decoded, FaceReader
from runtimes.verifier import Asked
from tests.gazeclip.images.profiles import ADOBE_GAMMA, ADOBE_RGB, make_rgb
from tests.runtimes.faces.pictures import draw_face, make_picture

PLACES = [(60, 80, 224), (420, 330, 320), (1000, 120, 260)]


@pytest.fixture(scope="module")
def verifier(bundles: dict[str, Path]) -> Verifier:
    return load(bundles["onnx"], threads=1)


@pytest.fixture(scope="module")
def group() -> Image.Image:
    """A picture of 1300 x 800 with a face at each of `PLACES` (left, top, side of the image)."""
    picture = make_picture(1300, 800)
    for seed, (left, top, side) in enumerate(PLACES):
        picture.paste(draw_face(seed, side), (left, top))
    return picture


def find_face(outcome: object) -> Face:
    assert isinstance(outcome, Verdict) and outcome.face is not None
    return outcome.face


def test_a_training_crop_in_a_picture_has_its_own_verdict(verifier: Verifier) -> None:
    training_image = draw_face(2)
    picture = make_picture()
    picture.paste(training_image, (300, 200))
    (alone,) = verifier.verify(training_image)
    (found,) = verifier.verify(picture, crop="face")
    crop = find_face(found).crop
    true = (300, 200, 524, 424)
    assert max(abs(a - b) for a, b in zip(crop, true, strict=True)) <= 20
    assert found.verdict == alone.verdict
    # The network of the fixtures sees the mean colour, which the shifted edges change a little.
    assert found.llr == pytest.approx(alone.llr, abs=0.2)


@pytest.fixture(scope="module")
def told(face_bundle: Path) -> Verifier:
    return load(face_bundle, threads=1)


def test_photographs_are_cut_as_the_bundle_says(
    told: Verifier, verifier: Verifier, group: Image.Image
) -> None:
    assert (told.default_crop, verifier.default_crop) == ("face", "whole")
    verdicts = told.verify(group)
    assert len(verdicts) == len(PLACES)
    for verdict in verdicts:
        face = find_face(verdict)
        x0, y0, x1, y1 = face.box
        side = 1.3 * ((x1 - x0) * (y1 - y0)) ** 0.5
        assert face.crop[2] - face.crop[0] == pytest.approx(side, abs=1.5)
        assert face.crop[1] + face.crop[3] == pytest.approx(y0 + y1, abs=3)
    (whole,) = told.verify(group, crop="whole")
    assert whole.face is None and whole == verifier.verify(group)[0]


def test_a_training_crop_is_judged_as_it_is(told: Verifier, verifier: Verifier) -> None:
    for seed in range(6):
        crop = draw_face(seed, 96)
        (found,) = told.verify(crop)
        assert find_face(found).crop == (0, 0, 96, 96)
        assert dataclasses.replace(found, face=None) == verifier.verify(crop)[0]


def test_every_face_has_the_verdict_of_its_crop(verifier: Verifier, group: Image.Image) -> None:
    verdicts = verifier.verify(group, crop="face", batch=2)
    faces = [find_face(verdict) for verdict in verdicts]
    assert [face.number for face in faces] == [1, 2, 3]
    by_size = sorted(PLACES, key=lambda place: -place[2])
    for verdict, face, (left, top, side) in zip(verdicts, faces, by_size, strict=True):
        x0, y0, x1, y1 = face.box
        assert left < x0 < x1 < left + side and top < y0 < y1 < top + side
        assert face.unjudged == () and 0.5 <= face.score <= 1
        (again,) = verifier.verify(group.crop(face.crop))
        # The same pixels in another batch.
        assert verdict.llr == pytest.approx(again.llr, abs=1e-5)
        assert set(verdict.timings_ms) == {"decode", "detect", "inference", "post"}
        described = verdict.to_dict(embedding=False)
        assert described["box"] == list(face.box) and described["face"] == face.number
    assert "box" not in verifier.verify(group)[0].to_dict()


def test_orientation_is_heeded_once(verifier: Verifier, group: Image.Image) -> None:
    upright = verifier.verify(group, crop="face")
    turned = group.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise before it is shown
    file = io.BytesIO()
    turned.save(file, "PNG", exif=exif)
    found = verifier.verify(file.getvalue(), crop="face")
    assert [dataclasses.replace(verdict, source="image 0") for verdict in found] == upright


def test_a_profile_is_heeded_once(verifier: Verifier, group: Image.Image) -> None:
    file = io.BytesIO()
    group.save(file, "PNG", icc_profile=make_rgb(ADOBE_RGB, ADOBE_GAMMA))
    converted = load_image(file.getvalue())
    assert np.abs(np.asarray(converted, int) - np.asarray(group, int)).max() > 10
    verdicts = verifier.verify(file.getvalue(), crop="face")
    assert len(verdicts) == len(PLACES)
    for verdict in verdicts:
        crop = np.asarray(converted.crop(find_face(verdict).crop))
        assert verdict.note is not None
        assert verdict.llr == pytest.approx(verifier.verify(crop)[0].llr, abs=1e-5)


def test_photographs_of_every_kind_in_order(
    verifier: Verifier, group: Image.Image, photos: dict[str, Path]
) -> None:
    cut = make_picture()
    cut.paste(draw_face(0, 300), (-130, 200))
    sources = [group, photos["truncated"], make_picture(), cut, np.asarray(group)]
    numbered = list(verifier.numbered_outcomes(sources, Asked(batch=4, crop="face")))
    assert [number for number, _ in numbered] == [0, 0, 0, 1, 2, 3, 4, 4, 4]
    first, second = ([o for n, o in numbered if n == number] for number in (0, 4))
    for one, other in zip(first, second, strict=True):
        assert isinstance(one, Verdict) and isinstance(other, Verdict)
        assert one.llr == pytest.approx(other.llr, abs=1e-5) and one.face == other.face
    unread, no_face, cut_off = (numbered[row][1] for row in (3, 4, 5))
    assert isinstance(unread, ImageError) and not isinstance(unread, FaceError)
    assert isinstance(no_face, FaceError) and no_face.outcome == "no_face"
    assert isinstance(cut_off, FaceError) and cut_off.outcome == "cut_off"
    with pytest.raises(FaceError, match=r"image 1: no face found"):
        verifier.verify([group, make_picture()], crop="face")


def test_faces_of_every_page(verifier: Verifier, group: Image.Image) -> None:
    file = io.BytesIO()
    # Copies: Pillow notes the options of another format in a picture that it saved.
    pages = [make_picture(), group.copy(), make_picture(), group.copy()]
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    asked = Asked(crop="face", frames=3, batch=2)
    numbered = list(verifier.numbered_outcomes([file, group], asked))
    assert [number for number, _ in numbered] == [0] * 5 + [1] * 3
    first, second, third = numbered[0][1], numbered[1:4], numbered[4][1]
    assert str(first).startswith("image 0: no face found")
    assert str(third).startswith("image 0, frame 3: no face found")
    for (_, found), (_, alone) in zip(second, numbered[5:], strict=True):
        assert isinstance(found, Verdict) and isinstance(alone, Verdict)
        assert (found.frame, found.frames) == (2, 4) and found.face == alone.face
        assert found.llr == pytest.approx(alone.llr, abs=1e-5)


def lies_in(box: tuple[int, ...], place: tuple[int, int, int, int]) -> bool:
    """Whether the middle of a box lies in a place."""
    x = (box[0] + box[2]) / 2
    y = (box[1] + box[3]) / 2
    return place[0] < x < place[2] and place[1] < y < place[3]


def test_too_small_beside_a_usable_face(verifier: Verifier) -> None:
    picture = make_picture(500, 400)
    small = draw_face(1).resize((30, 30), Image.Resampling.BICUBIC)
    picture.paste(small, (400, 300))
    (alone,) = verifier.outcomes(picture.resize((250, 200)), crop="face")
    assert isinstance(alone, FaceError) and alone.outcome == "too_small"
    ((reason, box),) = alone.faces
    assert reason == "too_small" and lies_in(box, (200, 150, 215, 165))
    both = picture.resize((250, 200))
    both.paste(draw_face(2, 150), (20, 20))
    (judged,) = verifier.outcomes(both, crop="face")
    face = find_face(judged)
    assert face.unjudged == ("too_small",)
    assert lies_in(face.unjudged_boxes[0], (200, 150, 215, 165))


def read_faces(source: ImageSource, size: int) -> list[Decoded]:
    reader = FaceReader(PixelContract(size), FaceDetector(), None)
    return list(reader.read(source, 0, 1))


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_reduced_jpeg_has_the_crops_and_verdicts_of_the_whole(
    verifier: Verifier, group: Image.Image, orientation: int
) -> None:
    turned = group.transpose(Image.Transpose.ROTATE_90) if orientation == 6 else group
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    turned.save(file, "JPEG", quality=90, exif=exif)
    whole = np.asarray(load_image(file.getvalue()))
    reduced = verifier.verify(file.getvalue(), crop="face")
    wanted = verifier.verify(whole, crop="face")
    assert len(reduced) == len(PLACES)
    for verdict, other in zip(reduced, wanted, strict=True):
        mine = find_face(verdict)
        theirs = find_face(other)
        assert np.abs(np.subtract(mine.crop, theirs.crop)).max() <= 2
        assert np.abs(np.subtract(mine.box, theirs.box)).max() <= 2
        assert verdict.verdict == other.verdict
        # The network of the fixtures sees the mean colour.
        assert verdict.llr == pytest.approx(other.llr, abs=0.05)
        (again,) = verifier.verify(whole[slice(*mine.crop[1::2]), slice(*mine.crop[::2])])
        assert verdict.llr == pytest.approx(again.llr, abs=0.02)


@pytest.mark.parametrize(("size", "decoded"), [(32, [2]), (96, [2, 1])])
def test_a_jpeg_is_decoded_again_where_a_crop_needs_it(
    group: Image.Image, size: int, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.BytesIO()
    group.save(file, "JPEG", quality=90)
    seen: list[int] = []
    reduce_jpeg = preprocess.reduce_jpeg
    monkeypatch.setattr(
        preprocess,
        "reduce_jpeg",
        lambda image, by, end: (seen.append(by), reduce_jpeg(image, by, end))[1],
    )
    faces = read_faces(file.getvalue(), size)
    assert seen == decoded and len(faces) == len(PLACES)
    wanted = read_faces(np.asarray(load_image(file.getvalue())), size)
    for one, other in zip(faces, wanted, strict=True):
        assert isinstance(one.image, np.ndarray) and isinstance(other.image, np.ndarray)
        # The crop may lie a pixel beside: compared is what they show, in 8 x 8 cells.
        shape = (8, size // 8, 8, size // 8, 3)
        difference = one.image.reshape(shape).mean((1, 3)) - other.image.reshape(shape).mean((1, 3))
        assert np.abs(difference).mean() < 4


def test_a_jpeg_that_is_decoded_whole_may_be_no_larger_than_others(
    verifier: Verifier, group: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.BytesIO()
    group.save(file, "JPEG", quality=95)
    monkeypatch.setattr(preprocess, "MAX_PIXELS", group.width * group.height - 1)
    assert len(verifier.verify(file.getvalue())) == 1  # at a fraction of its size
    (outcome,) = verifier.outcomes(file.getvalue(), crop="face")
    assert isinstance(outcome, ImageError) and "1300 x 800 pixels" in outcome.message
    monkeypatch.setattr(preprocess, "MAX_PIXELS", group.width * group.height)
    assert len(verifier.verify(file.getvalue(), crop="face")) == len(PLACES)


def test_a_blurred_face_has_no_verdict(verifier: Verifier, group: Image.Image) -> None:
    soft = group.filter(ImageFilter.GaussianBlur(6))
    (outcome,) = verifier.outcomes(soft, crop="face")
    assert isinstance(outcome, FaceError) and outcome.outcome == "blurred"


def test_unknown_crop_and_missing_libraries_are_said_at_once(
    verifier: Verifier, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"unknown crop 'faces'.*Did you mean 'face'"):
        verifier.outcomes([], crop="faces")
    monkeypatch.setattr(network, "is_installed", lambda name: False)
    fresh = load(bundles["onnx"], threads=1)
    assert fresh.verify(draw_face(0))[0].face is None  # whole images need no detector
    with pytest.raises(MissingDependencyError, match="finding faces needs") as caught:
        fresh.outcomes([], crop="face")
    assert "--crop whole" in str(caught.value)
