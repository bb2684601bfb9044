"""Mutated files through the door that `verify` opens, guided by what code they reach.

python -m pip install atheris
python tools/fuzz_images.py CORPUS -runs=100000 -timeout=10 -rss_limit_mb=2048

CORPUS is a folder; files of each kind that can be written here are put into it first. All options
that begin with one dash are libFuzzer's. An `ImageError` is an answer; whatever else is raised is a
crash. Memory that grows ends it as well: `rss_limit_mb`.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image, features

from gazeclip.errors import ImageError
from gazeclip.images.preprocess import PixelContract
from gazeclip.images.source import ImageSource
from runtimes.faces.box import FaceBox
from runtimes.sources import FaceReader, Reader, WholeReader

SIZE = 96
FRAMES = 3
_KINDS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 80},
    "PNG": {},
    "WEBP": {"quality": 80},
    "TIFF": {"compression": "tiff_lzw"},
    "BMP": {},
}


class MiddleFace:
    """Stands for the detector: a face in the middle of every picture, whose search costs nothing.

    The way from its box to the crop is the real one.
    """

    def find(self, picture: Image.Image) -> list[FaceBox]:
        """One box that fills the middle half."""
        width, height = picture.size
        box = (width / 4, height / 4, width * 3 / 4, height * 3 / 4)
        spots = ((0.4, 0.4), (0.6, 0.4), (0.5, 0.5), (0.4, 0.6), (0.6, 0.6))
        points = tuple((x * width, y * height) for x, y in spots)
        return [FaceBox(box, points, 0.9)]


def make_readers() -> list[Reader]:
    """Whole images, and faces in them."""
    contract = PixelContract(SIZE)
    detector = MiddleFace()
    return [WholeReader(contract), FaceReader(contract, detector, None)]  # type: ignore[arg-type]


def read_everything(source: ImageSource, readers: list[Reader]) -> int:
    """How many squares come out of a file.

    Raises:
        ValueError: a square that is none; whatever else is raised is a fault of the door too.
    """
    squares = 0
    for reader in readers:
        for found in reader.read(source, 0, FRAMES):
            if isinstance(found.image, ImageError):
                continue
            if found.image.shape != (SIZE, SIZE, 3) or found.image.dtype != np.uint8:
                raise ValueError(f"{found.image.dtype} {found.image.shape}")
            squares += 1
    return squares


def write_seeds(folder: Path) -> None:
    """A small picture in each format and some modes, where the folder has none of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (150, 170, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    for kind, options in _KINDS.items():
        for mode in ("RGB", "L", "P", "RGBA", "CMYK"):
            file = io.BytesIO()
            try:
                picture.convert(mode).save(file, kind, **options)
            except (OSError, ValueError):  # a mode that this format does not have
                continue
            _write_once(folder / f"{kind}-{mode}", file.getvalue())
    for kind in ("PNG", "WEBP", "TIFF"):
        file = io.BytesIO()
        picture.save(file, kind, save_all=True, append_images=[picture.rotate(90)])
        _write_once(folder / f"{kind}-frames", file.getvalue())
    if features.check("avif"):
        file = io.BytesIO()
        picture.save(file, "AVIF")
        _write_once(folder / "AVIF-RGB", file.getvalue())


def _write_once(path: Path, data: bytes) -> None:
    if not path.exists():
        path.write_bytes(data)


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer's options say that it is enough."""
    import atheris

    folders = [Path(word) for word in arguments if not word.startswith("-")]
    if len(folders) != 1:
        raise SystemExit("name one folder for the corpus")
    write_seeds(folders[0])
    readers = make_readers()
    atheris.instrument_all()

    def try_file(data: bytes) -> None:
        read_everything(data, readers)

    atheris.Setup([sys.argv[0], *arguments], try_file)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
