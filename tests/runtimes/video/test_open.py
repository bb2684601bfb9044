"""What is no film that can be read, told in one line before anything is decoded."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from gazeclip.errors import ImageError
from runtimes.video import open as opening
from tests.runtimes.video.films import count_up, require_av, take, write_film


@pytest.mark.parametrize("kind", ["empty", "text", "head", "half", "sound", "cover", "codec"])
def test_what_is_no_film_is_told_in_one_line(kind: str, tmp_path: Path) -> None:
    av = require_av()
    path = write_film(tmp_path / "a.mp4", count_up(20))
    data = path.read_bytes()
    if kind in ("sound", "cover"):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=16000)
            if kind == "cover":
                cover = container.add_stream("mjpeg", rate=1)
                cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
                cover.disposition = av.stream.Disposition.attached_pic
            samples = np.zeros((1, 16000), np.float32)
            sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            sound.rate = 16000
            container.mux(stream.encode(sound))
            container.mux(stream.encode())
            if kind == "cover":
                black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
                container.mux(cover.encode(black.reformat(format="yuvj420p")))
                container.mux(cover.encode())
    elif kind == "codec":
        path = write_film(tmp_path / "a.avi", count_up(20), "wmv2")
    else:
        contents = {"empty": b"", "text": b"no film" * 99, "head": data[:40], "half": data[:-2000]}
        path.write_bytes(contents[kind])
    with pytest.raises(ImageError) as caught:
        take(path)
    expected = {
        "empty": "is empty",
        "text": "is not a film that can be read",
        "head": "is damaged or cut off",
        "half": "is damaged or cut off",
        "sound": "has no pictures",
        "cover": "has no pictures",
        "codec": "which is not read",
    }
    assert expected[kind] in caught.value.message and caught.value.remedy
    assert "\n" not in str(caught.value) and caught.value.message.startswith(str(path))


def test_too_many_pixels_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_film(tmp_path / "a.mp4", count_up(3))
    monkeypatch.setattr(opening, "MAX_PIXELS", 160 * 120 - 1)
    with pytest.raises(ImageError, match="160 x 120 pixels"):
        take(path)


def test_without_the_package_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_film(tmp_path / "a.mp4", count_up(3))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImageError) as caught:
        take(path)
    assert caught.value.message == f"{path} is a film, and 'av' is not installed"
    assert "[video]" in str(caught.value.remedy)
