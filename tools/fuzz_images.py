"""Mutated files through the door that `verify` opens, guided by what code they reach.

python -m pip install atheris
python tools/fuzz_images.py CORPUS -runs=100000 -timeout=10 -rss_limit_mb=2048

CORPUS is a folder; files of each kind that can be written here are put into it first. HEIC cannot
be: put some of your own beside them. All options that begin with one dash are libFuzzer's. An
`ImageError` is an answer; whatever else is raised is a crash. Memory that grows ends it as well:
`rss_limit_mb`.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, features

from gazeclip.errors import ImageError
from gazeclip.images.preprocess import PixelContract
from gazeclip.images.source import ImageSource
from runtimes.faces.box import FaceBox
from runtimes.sources import FaceReader, Reader, WholeReader

SIZE = 96
FRAMES = 3
_SIDES = (84, 76)  # small files, in which a changed byte is seldom one of mere pixels
_KINDS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 80},
    "PNG": {},
    "WEBP": {"quality": 80},
    "TIFF": {"compression": "tiff_lzw"},
    "BMP": {},
}
if features.check("avif"):
    _KINDS["AVIF"] = {}
_PACKINGS = ("raw", "packbits", "tiff_adobe_deflate", "jpeg")


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
    """A small picture in each format, some modes and ways of storing, where there is none yet."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = _draw_noise(*_SIDES)
    for kind, options in _KINDS.items():
        for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK"):
            _write_once(folder / f"{kind}-{mode}", picture.convert(mode), kind, options)
    for name, kind, options in _list_variants(picture):
        _write_once(folder / f"{kind}-{name}", picture, kind, options)
    clear = picture.copy()
    clear.putalpha(picture.convert("L"))
    for kind in ("PNG", "WEBP", "TIFF"):
        _write_once(folder / f"{kind}-clear", clear, kind, {})
    deep = Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257)
    for kind in ("PNG", "TIFF"):
        _write_once(folder / f"{kind}-16bit", deep, kind, {})
    # the detector is given a fraction of it, and the crop is decoded again
    _write_once(folder / "JPEG-wide", _draw_noise(1300, 150), "JPEG", {"quality": 5})


def _list_variants(picture: Image.Image) -> list[tuple[str, str, dict[str, object]]]:
    """Names, formats and options of files that take other ways through the decoder."""
    turned = Image.Exif()
    turned[0x0112] = 6  # orientation: it lies on its side
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    frames = {"save_all": True, "append_images": [picture.rotate(90)]}
    variants: list[tuple[str, str, dict[str, object]]] = [
        ("progressive", "JPEG", {"progressive": True}),
        ("restarts", "JPEG", {"restart_marker_rows": 1, "subsampling": 0}),
        ("lossless", "WEBP", {"lossless": True}),
        ("big", "TIFF", {"big_tiff": True}),
        *((packing, "TIFF", {"compression": packing}) for packing in _PACKINGS),
    ]
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        variants += [("exif", kind, {"exif": turned}), ("profile", kind, {"icc_profile": profile})]
    variants += [("frames", kind, frames) for kind in ("PNG", "WEBP", "TIFF")]
    return variants


def _draw_noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def _write_once(path: Path, picture: Image.Image, kind: str, options: dict[str, object]) -> None:
    """A file that is not there yet; none where the format does not have the picture's mode."""
    if path.exists():
        return
    file = io.BytesIO()
    with contextlib.suppress(OSError, ValueError):
        picture.save(file, kind, **options)
        path.write_bytes(file.getvalue())


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
