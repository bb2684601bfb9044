"""Lists of names: a file, or standard input, with one name on each line or ended by NUL."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gazeclip.errors import ConfigError

STDIN = "-"
_READ_AT_ONCE = 65_536  # bytes
_LONGEST_NAME = 65_536  # bytes; no system takes a longer one


def read_names(file: str, null: bool) -> Iterator[str]:
    """The names in a list, each read when it is due; empty lines are left out.

    Args:
        file: its path, `-` for standard input.
        null: names end in NUL, as `find -print0` writes them, and may hold line breaks.

    Raises:
        ConfigError: the list cannot be read, or has a name that is too long to be one.
    """
    with _open_list(file) as stream:
        for name in _split(stream, b"\0" if null else b"\n", file):
            if not null:
                name = name.removesuffix(b"\r")
            if name:
                yield os.fsdecode(name)


def check_list(file: str) -> None:
    """Open a list and close it again, before the first image is judged.

    Standard input and pipes are left alone: what is read of them is gone.

    Raises:
        ConfigError: the list cannot be read.
    """
    if file == STDIN:
        return
    try:
        if not Path(file).is_fifo():
            Path(file).open("rb").close()
    except OSError as error:
        raise _explain(file, error) from error


def _open_list(file: str) -> contextlib.AbstractContextManager[BinaryIO]:
    if file == STDIN:
        return contextlib.nullcontext(sys.stdin.buffer)
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise _explain(file, error) from error


def _explain(file: str, error: OSError) -> ConfigError:
    what = f"the list {file} cannot be read ({error.strerror})"
    return ConfigError(what, remedy="Check its name and permissions")


def _split(stream: BinaryIO, end: bytes, file: str) -> Iterator[bytes]:
    rest = b""
    while part := _read_part(stream):
        *names, rest = (rest + part).split(end)
        yield from names
        if len(rest) > _LONGEST_NAME:
            remedy = "Give a list of names, one on each line (with --null: each ended by NUL)"
            raise ConfigError(f"{file} is no list of names", remedy=remedy)
    yield rest


def _read_part(stream: BinaryIO) -> bytes:
    """What there is, without waiting until a whole block has come through a pipe."""
    read = getattr(stream, "read1", stream.read)
    return read(_READ_AT_ONCE)
