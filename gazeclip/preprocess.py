"""THE pixel contract: how a photograph becomes the uint8 square that every model, trained or exported, takes.

NumPy and Pillow only, because a phone gateway runs this too. Normalisation is not here: each graph carries its own.
"""

from __future__ import annotations

import io
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gazeclip.errors import ConfigError, ImageError

INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# The formats that are promised, each with its suffixes; nothing else is ever opened, whatever its name.
FORMATS = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
}
IMAGE_SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
MAX_PIXELS = 120_000_000  # refuse decompression bombs long before memory runs out
ImageSource = str | os.PathLike[str] | bytes | Image.Image | np.ndarray


@dataclass(frozen=True)
class PixelContract:
    """Size and interpolation of the model's input; recorded in checkpoints and bundles, and compared between stages.

    The whole picture is scaled to the square (`squash`): face crops are square, and nothing of a face may be cut off.
    Transparent pixels are laid over mid-grey; EXIF orientation is applied.
    """

    size: int = 224
    interpolation: str = "bicubic"
    version: int = 1

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise ConfigError(f"unknown interpolation '{self.interpolation}'", remedy=f"Use one of {', '.join(INTERPOLATIONS)}")
        if not 16 <= self.size <= 1024:
            raise ConfigError(f"image size {self.size} is out of range", remedy="Use 16 to 1024 pixels")

    def apply(self, source: ImageSource) -> np.ndarray:
        """Any photograph -> uint8 RGB `(size, size, 3)`.

        Raises:
            ImageError: the image cannot be read.
        """
        image = load_image(source, draft_size=self.size)
        if image.size != (self.size, self.size):
            image = image.resize((self.size, self.size), INTERPOLATIONS[self.interpolation])
        return np.asarray(image, dtype=np.uint8).copy()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def load_image(source: ImageSource, draft_size: int | None = None) -> Image.Image:
    """Decode, orient and flatten one picture to an RGB `PIL.Image`.

    `draft_size` lets libjpeg decode a large JPEG at 1/2, 1/4 or 1/8, never below three times that size (so that the
    final resampling still has detail to average).

    Raises:
        ImageError: missing, empty, truncated, too large, or not an image.
    """
    name = "image" if isinstance(source, bytes | Image.Image | np.ndarray) else str(source)
    try:
        image = _open(source)
        if image.width * image.height > MAX_PIXELS:
            raise ImageError(f"{name} has {image.width} x {image.height} pixels", remedy="Downscale it below 120 megapixels")
        if draft_size is not None and image.format == "JPEG":
            image.draft("RGB", (3 * draft_size, 3 * draft_size))
        return _flatten(ImageOps.exif_transpose(image))
    except FileNotFoundError as error:
        raise ImageError(f"{name} does not exist", remedy="Check the path") from error
    except IsADirectoryError as error:
        raise ImageError(f"{name} is a folder", remedy="Name the images in it") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} is not an image that can be read", remedy="Use JPEG, PNG, WebP, BMP or TIFF") from error
    except ImageError:
        raise
    except Exception as error:  # Pillow's parsers raise nearly anything on hostile bytes; all of it means the same to the caller
        raise ImageError(f"{name} is damaged ({str(error) or type(error).__name__})", remedy="Get the picture again") from error


def _open(source: ImageSource) -> Image.Image:
    if isinstance(source, Image.Image):
        return source
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
            raise ImageError(f"array of {source.dtype} {source.shape} is not a picture", remedy="Pass uint8 RGB (H, W, 3)")
        return Image.fromarray(source)
    if isinstance(source, bytes):
        return Image.open(io.BytesIO(source))
    return Image.open(Path(source))


def _flatten(image: Image.Image) -> Image.Image:
    """RGB from any mode; 16-bit grey keeps its range, transparency is laid over mid-grey."""
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        return Image.fromarray((np.asarray(image, dtype=np.float64) / 257.0).clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (128, 128, 128, 255)), rgba).convert("RGB")
    return image.convert("RGB")
