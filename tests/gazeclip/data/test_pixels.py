"""A split as one array, in memory or in a file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazeclip.data import pixels
from gazeclip.data.pixels import read_images
from gazeclip.errors import ArtifactError, ImageError
from gazeclip.images.preprocess import PixelContract

SIZE = 16
CONTRACT = PixelContract(SIZE)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Images of exactly the model's size, so that they are read as they are."""
    generator = np.random.default_rng(3)
    found = []
    for number in range(5):
        path = tmp_path / f"{number}.png"
        Image.fromarray(generator.integers(0, 256, (SIZE, SIZE, 3), np.uint8)).save(path)
        found.append(path)
    return found


@pytest.mark.parametrize("limit", [1 << 30, 100])
def test_images_are_those_of_the_files_in_their_order(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(pixels, "IN_MEMORY", limit)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)  # it is looked for anew
    before = set(tmp_path.iterdir())
    found = read_images(paths, CONTRACT)
    assert isinstance(found, np.memmap) is (limit == 100)
    assert found.dtype == np.uint8 and found.shape == (5, SIZE, SIZE, 3)
    for image, path in zip(found, paths, strict=True):
        np.testing.assert_array_equal(image, np.asarray(Image.open(path)))
    assert set(tmp_path.iterdir()) == before


def test_the_first_unreadable_image_is_named(paths: list[Path]) -> None:
    for number in (2, 4):
        paths[number].write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"2\.png"):
        read_images(paths, CONTRACT)


@pytest.mark.parametrize(
    ("reason", "words"), [(errno.ENOSPC, "no room for 0 MB"), (errno.EACCES, "cannot write 0 MB")]
)
def test_a_file_that_cannot_be_had_is_one_line(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch, reason: int, words: str
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(pixels, "IN_MEMORY", 100)
    monkeypatch.setattr("os.posix_fallocate", refuse, raising=False)
    with pytest.raises(ArtifactError, match=f"{words} of decoded images in ") as caught:
        read_images(paths, CONTRACT)
    assert os.strerror(reason) in caught.value.message
