"""Films are known by their bytes, and never looked for in bytes or pipes."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from runtimes.video import kinds
from runtimes.video.kinds import describe_missed, find_demuxer, is_film, list_usable_suffixes
from tests.runtimes.video.films import count_up, write_film


@pytest.mark.parametrize(
    ("name", "codec", "demuxer"),
    [
        ("a.mp4", "libx264", "mov"),
        ("a.mov", "mpeg4", "mov"),
        ("a.mkv", "libx264", "matroska"),
        ("a.webm", "libvpx-vp9", "matroska"),
        ("a.avi", "mpeg4", "avi"),
        ("a.ts", "libx264", "mpegts"),
        ("a.m2ts", "libx264", "mpegts"),
        ("a.mpg", "mpeg2video", "mpeg"),
    ],
)
def test_what_writers_write_is_known(name: str, codec: str, demuxer: str, tmp_path: Path) -> None:
    film = write_film(tmp_path / name, count_up(4), codec, rate=25)
    renamed = film.rename(tmp_path / "photo.jpg")
    assert find_demuxer(renamed.read_bytes()[:400]) == demuxer
    assert is_film(renamed) and is_film(str(renamed))
    assert not is_film(renamed.read_bytes())  # uploads are no films


def test_what_is_no_film(tmp_path: Path) -> None:
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"):
        path = tmp_path / f"{kind}.mp4"
        Image.new("RGB", (300, 200), "red").save(path, kind)
        assert find_demuxer(path.read_bytes()[:400]) is None
        assert is_film(path) == (kind == "GIF")  # no image that is read: refused as a film then
    text = tmp_path / "a.mp4"
    text.write_text("Good day. " * 50)
    assert is_film(text) and not is_film(text.rename(tmp_path / "notes.ts"))
    for head in (b"", b"\0", b"RIFF\0\0\0\0WAVE", b"#EXTM3U\nfile:///etc/passwd"):
        assert find_demuxer(head) is None
    for source in (tmp_path, tmp_path / "none.mp4", "a\0.mp4", None, 5, Image.new("RGB", (9, 9))):
        assert not is_film(source)


def test_pipes_are_not_even_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    written = []

    def write() -> None:
        with pipe.open("wb") as stream:  # waits for a reader
            stream.write(b"all of it")
        written.append(True)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert not is_film(pipe)
    assert pipe.read_bytes() == b"all of it"
    writer.join(timeout=10)
    assert written


def test_films_are_missed_only_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    others = Counter({".mp4": 2, ".webm": 1, ".txt": 5})
    monkeypatch.setattr(kinds, "is_installed", lambda _: False)
    told = describe_missed(others)
    assert told is not None and told.startswith("3 films are not judged: 'av' is not installed.")
    assert "[video]" in told and list_usable_suffixes() == frozenset()
    assert describe_missed(Counter({".txt": 5})) is None
    monkeypatch.setattr(kinds, "is_installed", lambda _: True)
    assert describe_missed(others) is None
    assert {".mp4", ".mov", ".mkv", ".webm", ".avi"} <= list_usable_suffixes()
    assert not {".ts", ".jpg"} & list_usable_suffixes()
