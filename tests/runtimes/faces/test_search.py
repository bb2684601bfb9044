"""Faces of a photograph cut and sorted; a JPEG that cannot be decoded again."""

from __future__ import annotations

import pytest
from PIL import Image

from gazeclip.errors import ImageError
from gazeclip.images.crop_rule import CropRule
from gazeclip.images.preprocess import DecodedImage, PixelContract
from gazeclip.images.reduced import Reduced
from runtimes.faces.detect import FaceDetector
from runtimes.faces.search import search_faces
from runtimes.sources import FaceReader
from tests.runtimes.faces.pictures import draw_face, make_picture

RULE = CropRule(side=1.43, lift=0.03)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def make_photo() -> Image.Image:
    picture = make_picture()
    picture.paste(draw_face(1, 300), (200, 150))
    return picture


def test_a_face_of_a_reduced_photograph_in_its_whole_pixels(detector: FaceDetector) -> None:
    picture = make_photo()
    asked: list[int] = []

    def decode_again(by: int, needed: tuple[int, int, int, int]) -> DecodedImage:
        asked.append(by)
        return DecodedImage(picture, 1, None, 1, Reduced(by, picture.size))

    half = picture.resize((450, 350), Image.Resampling.BOX)
    photo = DecodedImage(half, 1, None, 1, Reduced(2, picture.size), decode_again)
    (alone,) = search_faces(DecodedImage(picture, 1, None, 1), detector, RULE, 48).usable
    for size, wanted in ((48, []), (64, [1])):
        asked.clear()
        (found,) = search_faces(photo, detector, RULE, size).usable
        assert asked == wanted
        assert max(abs(a - b) for a, b in zip(found.crop, alone.crop, strict=True)) <= 3
        assert found.pixels.width * (1 if wanted else 2) == found.crop.side
    assert asked == [1] and found.pixels.size == (found.crop.side, found.crop.side)


def test_a_photograph_without_a_usable_face_is_not_decoded_again(detector: FaceDetector) -> None:
    def decode_again(by: int, needed: tuple[int, int, int, int]) -> DecodedImage:
        raise AssertionError(f"decoded at 1/{by}")

    for half in (make_picture(450, 350), make_photo().resize((450, 350))):
        photo = DecodedImage(half, 1, None, 1, Reduced(2, (900, 700)), decode_again)
        found = search_faces(photo, detector, RULE, 1000)
        assert found.usable == [] and found.obstacles in ([], ["too_small"])


def test_a_photograph_that_cannot_be_decoded_again_is_an_error(detector: FaceDetector) -> None:
    def decode_again(by: int, needed: tuple[int, int, int, int]) -> DecodedImage:
        raise ImageError("it has gone", remedy="Bring it back")

    half = make_photo().resize((450, 350))
    photo = DecodedImage(half, 1, None, 1, Reduced(2, (900, 700)), decode_again)
    reader = FaceReader(PixelContract(64), detector, RULE)
    (item,) = reader.read_photo(photo, 0, "photo.jpg", 1.0)
    assert isinstance(item.image, ImageError) and "it has gone" in item.image.message
