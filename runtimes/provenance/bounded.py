"""A stream that stops giving where a file makes its reader go on and on.

Each reading of the native library is a call into Python. A damaged file of half a megabyte can ask
for 200,000 of them, four bytes at a time, and one of the largest that are taken would keep a
processor busy for a quarter of an hour.
"""

from __future__ import annotations

import os
from typing import Any, BinaryIO

# Sound files, photographs of 12 megapixels among them, took one call for 5,000 bytes at the most,
# or some 250, and read themselves two and a half times.
_FREE_CALLS = 20_000
_BYTES_A_CALL = 1_000
_FREE_BYTES = 1_000_000
_TIMES = 16


class BoundedStream:
    """Reads from `stream` within a number of calls and of bytes, both set by its size.

    Attributes:
        exhausted: whether one of them was reached; each call then raises.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        self._calls = _FREE_CALLS + size // _BYTES_A_CALL
        self._bytes = _FREE_BYTES + size * _TIMES
        self.exhausted = False

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; how many bytes there were."""
        self._spend()
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._bytes -= len(data)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """So many bytes."""
        self._spend()
        data = self._stream.read(size)
        self._bytes -= len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; the new one."""
        self._spend()
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self._stream.tell()

    def write(self, data: bytes) -> int:
        """Raises: a file that is read is not changed."""
        raise OSError("opened for reading")

    def flush(self) -> None:
        """Nothing was written."""

    def _spend(self) -> None:
        self._calls -= 1
        if self._calls < 0 or self._bytes < 0:
            self.exhausted = True
            raise OSError("too much to read")
