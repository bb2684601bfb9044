"""Which files are films: by their first bytes, whatever their names; in folders by suffix."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path

from gazeclip.images.file_kind import recognise
from gazeclip.images.formats import FORMATS
from gazeclip.system.packages import install_command, is_installed

# Not .ts nor .mts, which in folders are more often programs; a film of that name can be named.
FILM_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2ts")
)
CONTAINERS_REMEDY = "Use MP4, MOV, MKV, WebM, AVI or MPEG"
_HEAD_LENGTH = 400  # bytes: three packets of a transport stream begin in them
_ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # QuickTime before `ftyp` was
_PACKET = 188  # bytes of a transport stream's packet; in .m2ts four bytes of time precede it
_SYNC = 0x47
_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0)  # the second on Windows


def is_film(source: object) -> bool:
    """Whether a source is to be judged as a film: a path to a plain file that is one.

    Bytes and file objects never are: whoever judges uploads does not want to decode films unasked.
    A file that cannot be read is none, and is then refused as an image is.
    """
    if not isinstance(source, str | os.PathLike):
        return False
    try:
        head = read_head(source)
    except (OSError, ValueError):
        return False
    if head is None or recognise(head) in FORMATS:
        return False
    return find_demuxer(head) is not None or Path(source).suffix.lower() in FILM_SUFFIXES


def read_head(path: str | os.PathLike[str]) -> bytes | None:
    """The first bytes of a plain file; None of anything else, as a pipe could not be read again.

    Every image is looked at in this way, so that the system is called as seldom as may be.
    """
    # Before it is opened: whoever writes into a pipe would take this for its reader.
    if not stat.S_ISREG(Path(path).stat().st_mode):
        return None
    descriptor = os.open(path, _READING)
    try:
        return os.read(descriptor, _HEAD_LENGTH)
    finally:
        os.close(descriptor)


def find_demuxer(head: bytes) -> str | None:
    """FFmpeg's name of what reads a file that begins so; None if it is no film that is promised.

    Naming it keeps FFmpeg from guessing: among its guesses are lists that open other files.
    """
    if recognise(head) == "MP4" or head[4:8] in _ATOMS:
        return "mov"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head.startswith(b"\0\0\1\xba"):
        return "mpeg"
    return "mpegts" if recognise(head) is None and _is_transport_stream(head) else None


def _is_transport_stream(head: bytes) -> bool:
    for start, step in ((0, _PACKET), (4, _PACKET + 4)):
        marks = head[start::step]  # of three packets
        if len(marks) == 3 and all(mark == _SYNC for mark in marks):
            return True
    return False


def list_usable_suffixes() -> frozenset[str]:
    """The suffixes by which films in folders are taken; none where PyAV is not installed."""
    return FILM_SUFFIXES if is_installed("av") else frozenset()


def describe_missed(others: Counter[str]) -> str | None:
    """What to say of films in a folder that cannot be judged here; None if there are none.

    Args:
        others: files that were left out, by suffix.
    """
    number = sum(others[suffix] for suffix in FILM_SUFFIXES)
    if number == 0 or is_installed("av"):
        return None
    films = "1 film is" if number == 1 else f"{number} films are"
    return f"{films} not judged: 'av' is not installed. Run: {install_command('video')}"
