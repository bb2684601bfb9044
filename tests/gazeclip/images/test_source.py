"""Files beyond the limit in bytes are refused before they are read whole, in any wrapping."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gazeclip.errors import ImageError
from gazeclip.images import source
from gazeclip.images.preprocess import load_image

WORDS = "has more than 256 MB"


class Endless(io.RawIOBase):
    """A file object without a size that never ends, and counts what was taken."""

    taken = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "everything was asked for at once"
        self.taken += size
        return b"\xff" * size


def encoded() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(encoded())
    os.truncate(path, source.MAX_BYTES + 1)  # takes no room
    with pytest.raises(ImageError, match=f"large.png {WORDS}") as caught:
        load_image(path)
    assert caught.value.remedy == "Save it as JPEG, or downscale it"
    os.truncate(path, source.MAX_BYTES)
    assert load_image(path).size == (8, 8)


def test_a_file_object_is_read_to_the_limit_only() -> None:
    endless = Endless()
    with pytest.raises(ImageError, match=f"image {WORDS}"):
        load_image(endless)  # type: ignore[arg-type]
    assert endless.taken < 1.1 * source.MAX_BYTES


def test_bytes_and_pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded()
    monkeypatch.setattr(source, "MAX_BYTES", len(data))
    wrappings: list[Any] = [data, bytearray(data), memoryview(data), io.BytesIO(data)]
    for wrapped in wrappings:
        assert load_image(wrapped).size == (8, 8)
    longer = data + b"\0"
    for wrapped in [longer, bytearray(longer), memoryview(longer), io.BytesIO(longer)]:
        with pytest.raises(ImageError, match="has more than"):
            load_image(wrapped)
    if hasattr(os, "mkfifo"):
        for content in (data, longer):
            _judge_pipe(tmp_path / f"pipe-{len(content)}", content, content is data)


def _judge_pipe(pipe: Path, content: bytes, fits: bool) -> None:
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    try:
        if fits:
            assert load_image(pipe).size == (8, 8)
        else:
            with pytest.raises(ImageError, match="has more than"):
                load_image(pipe)
    finally:
        writer.join()


def test_a_raw_pipe_that_gives_little_at_once() -> None:
    data = encoded()

    class Dripping(io.RawIOBase):
        place = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            part = data[self.place : self.place + 7]
            self.place += len(part)
            return part

    assert load_image(Dripping()).size == (8, 8)  # type: ignore[arg-type]
