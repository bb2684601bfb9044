"""A JPEG decoded down to a row: libjpeg goes from above to below, and the rest need not be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

from PIL import Image

# A row that is black in all these places is not seen to be there; then more is decoded than needed.
_PLACES = 64
_ROWS = 8


class _Until:
    """A file that says that it has ended as soon as enough of it was decoded."""

    def __init__(self, file: IO[bytes], is_enough: Callable[[], bool]) -> None:
        self.file = file
        self.is_enough = is_enough
        self.stopped = False

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        self.stopped = self.stopped or self.is_enough()
        return b"" if self.stopped else self.file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def decode_rows(image: Image.Image, last: int) -> None:
    """Decode an opened JPEG down to its row `last` at least; what lies below may stay black.

    The rows are those that `image.load()` gives. A progressive file is decoded whole.

    Raises:
        OSError: the file is damaged above that row, as of `image.load()`.
    """
    until = _Until(image.fp, lambda: _has_row(image, last))  # type: ignore[attr-defined]
    image.fp = until  # type: ignore[attr-defined]
    try:
        image.load()
    except OSError:
        if not until.stopped:
            raise
        image.tile = []  # type: ignore[attr-defined]  # what Pillow takes for decoded
    if image.fp is until:  # type: ignore[attr-defined]  # None: Pillow has closed it
        image.fp = until.file  # type: ignore[attr-defined]


def _has_row(image: Image.Image, last: int) -> bool:
    """Whether a row at or just below `last` has pixels; before it is decoded they are all 0."""
    core = image.im  # there since Pillow made room for the pixels, which it does before it reads
    step = max(1, image.width // _PLACES)
    for row in range(last, min(last + _ROWS, image.height)):
        for column in range(0, image.width, step):
            value = core.getpixel((column, row))
            if any(value) if isinstance(value, tuple) else value:
                return True
    return False
