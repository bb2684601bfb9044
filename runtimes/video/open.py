"""A film opened through PyAV: its stream of pictures, its times, what is refused."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from gazeclip.errors import ImageError, MissingDependencyError
from gazeclip.images.preprocess import MAX_PIXELS
from gazeclip.system.packages import require
from runtimes.video.kinds import CONTAINERS_REMEDY, find_demuxer, read_head

# FFmpeg knows some hundred more, most of them for files that nobody records today.
CODECS = (
    "av1",
    "ffv1",
    "h264",
    "hevc",
    "libdav1d",
    "mjpeg",
    "mpeg1video",
    "mpeg2video",
    "mpeg4",
    "prores",
    "vp8",
    "vp9",
)
_READ_AT_ONCE = 1 << 18  # bytes


@dataclass(frozen=True)
class OpenFilm:
    """An open container and the one stream of it that is decoded.

    Attributes:
        start_s: time stamp at which the stream begins; None: that of its first frame.
        duration_s: of the stream as the file says it; None where it does not.
    """

    name: str
    container: Any
    stream: Any
    start_s: float | None
    duration_s: float | None


@contextlib.contextmanager
def open_film(path: str | os.PathLike[str], threads: int) -> Iterator[OpenFilm]:
    """Open a film for decoding; it is closed at the end.

    Raises:
        ImageError: damaged, of another kind, without pictures, too large, or PyAV is missing.
    """
    name = str(path)
    with contextlib.ExitStack() as until_the_end:
        with explain_errors(name):
            av = _require_av(name)
            demuxer = find_demuxer(read_head(path) or b"")
            if demuxer is None:
                empty = Path(path).stat().st_size == 0
                what = "is empty" if empty else "is not a film that can be read"
                raise ImageError(f"{name} {what}", remedy=CONTAINERS_REMEDY)
            file = until_the_end.enter_context(Path(path).open("rb"))
            # An open file and not its name: nothing that the file refers to is ever opened.
            container = av.open(
                file, format=demuxer, buffer_size=_READ_AT_ONCE, metadata_errors="replace"
            )
            until_the_end.enter_context(container)
            film = _choose_stream(av, container, name)
            film.stream.thread_type = "AUTO"
            film.stream.codec_context.thread_count = threads
        yield film


@contextlib.contextmanager
def explain_errors(name: str) -> Iterator[None]:
    """Whatever reading a film may raise becomes an `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:  # FFmpeg's are OSError, ValueError and others; none says more
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        what = f"{name} is damaged or cut off ({reason or type(error).__name__})"
        raise ImageError(what, remedy="Get the film again") from error


def _require_av(name: str) -> ModuleType:
    try:
        return require("av", "video")
    except MissingDependencyError as error:
        what = f"{name} is a film, and {error.message}"
        raise ImageError(what, remedy=error.remedy) from error


def _choose_stream(av: ModuleType, container: Any, name: str) -> OpenFilm:
    """The first stream of pictures that is no cover of a sound file."""
    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        raise ImageError(f"{name} has no pictures", remedy="Name a film, not a sound file")
    stream = streams[0]
    codec = getattr(stream.codec_context, "name", None)
    if codec not in CODECS:
        what = f"{name} is coded as {codec or 'something unknown'}, which is not read"
        raise ImageError(what, remedy="Convert it to H.264")
    refuse_too_many_pixels(stream.codec_context, name)
    start = None if stream.start_time is None else float(stream.start_time * stream.time_base)
    return OpenFilm(name, container, stream, start, _find_duration(container, stream))


def refuse_too_many_pixels(frame: Any, name: str) -> None:
    """Raise an `ImageError` if a frame, or what decodes it, is larger than an image may be."""
    if frame.width * frame.height > MAX_PIXELS:
        what = f"{name} has {frame.width} x {frame.height} pixels"
        raise ImageError(what, remedy=f"Downscale it below {MAX_PIXELS // 1_000_000} megapixels")


def _find_duration(container: Any, stream: Any) -> float | None:
    if stream.duration:
        seconds = float(stream.duration * stream.time_base)
    else:
        seconds = (container.duration or 0) / 1e6  # FFmpeg's unit for a whole file
    return seconds if seconds > 0 else None
