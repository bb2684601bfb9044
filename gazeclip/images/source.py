"""Where an image comes from: a path, bytes, or whatever can be read; none beyond a size."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from gazeclip.errors import ImageError

Encoded = bytes | bytearray | memoryview | BinaryIO
ImageSource = str | os.PathLike[str] | Encoded | Image.Image | np.ndarray
SOURCE_KINDS = "a path, encoded bytes, a file object, a PIL image or a uint8 array"
SLASHES_REMEDY = "Write '/' between folders, not '\\'"
# More than any photograph that is promised; checked before a file is read whole.
MAX_BYTES = 256_000_000
_READ_AT_ONCE = 16_000_000  # bytes


class NamedBytes(bytes):
    """An encoded image that verdicts and messages call by a name, as they call a file by its path.

    Attributes:
        name: what they call it.
    """

    name: str

    def __new__(cls, data: bytes, name: str) -> NamedBytes:
        """Bytes that know their name."""
        named = super().__new__(cls, data)
        named.name = name
        return named


def name_source(source: object, otherwise: str) -> str:
    """A path as it was given, the name of `NamedBytes`, and `otherwise` for what has none."""
    if isinstance(source, NamedBytes):
        return source.name
    return str(source) if isinstance(source, str | os.PathLike) else otherwise


def has_foreign_separators(path: str | os.PathLike[str]) -> bool:
    """Whether a path that is not there has the separators of another system.

    On Windows a backslash parts folders; elsewhere it is a letter of one long name.
    """
    return "\\" in os.fspath(path) and os.sep != "\\"


def open_stream(source: object, name: str) -> BinaryIO:
    """Encoded bytes that can be sought in, from their beginning.

    Args:
        name: of the image, for messages.

    Raises:
        ImageError: more than `MAX_BYTES`, or nothing that gives bytes.
        OSError: the system's, where a path cannot be opened.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        _refuse_too_many_bytes(memoryview(source).nbytes, name)
        return io.BytesIO(bytes(source))
    if isinstance(source, str | os.PathLike):
        return _open_path(Path(source), name)
    if hasattr(source, "read"):
        return io.BytesIO(_read_file_object(source, name))
    kind = type(source).__name__
    article = "an" if kind[0].lower() in "aeiou" else "a"
    raise ImageError(f"cannot judge {article} {kind}", remedy=f"Give {SOURCE_KINDS}")


def _open_path(path: Path, name: str) -> BinaryIO:
    stream = path.open("rb")
    try:
        if stream.seekable():
            _refuse_too_many_bytes(os.fstat(stream.fileno()).st_size, name)
            return stream
        with stream:  # a pipe
            return io.BytesIO(read_whole(stream, name))
    except BaseException:
        stream.close()
        raise


def _read_file_object(file: Any, name: str) -> bytes:
    """All bytes of the caller's file object, which stays open."""
    try:
        if hasattr(file, "seek") and (not hasattr(file, "seekable") or file.seekable()):
            file.seek(0)
        return read_whole(file, name)
    except (ValueError, OSError) as error:  # closed, or open for writing
        raise ImageError(
            f"cannot read the file object ({error})", remedy="Open it with mode 'rb'"
        ) from error


def read_whole(file: Any, name: str) -> bytes:
    """All bytes of a file or pipe, from where it is.

    Raises:
        ImageError: more than `MAX_BYTES`, or it gives no bytes.
    """
    parts: list[bytes] = []
    total = 0
    # Piece by piece: a size is not known before, and a pipe gives what it has.
    while part := file.read(_READ_AT_ONCE):
        if not isinstance(part, bytes | bytearray | memoryview):
            what = f"the file object gives {type(part).__name__}, not bytes"
            raise ImageError(what, remedy="Open it with mode 'rb'")
        total += memoryview(part).nbytes
        _refuse_too_many_bytes(total, name)
        parts.append(bytes(part))
    return b"".join(parts)


def _refuse_too_many_bytes(number: int, name: str) -> None:
    if number > MAX_BYTES:
        what = f"{name} has more than {MAX_BYTES // 1_000_000} MB"
        raise ImageError(what, remedy="Save it as JPEG, or downscale it")
