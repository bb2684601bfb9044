"""Where this program keeps what it can make again, and whether nobody else can write there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def cache_root() -> Path:
    """The user's cache folder of this program, which may not exist.

    `$XDG_CACHE_HOME` or `~/.cache`, then `gazeclip`.

    Raises:
        RuntimeError: this user has no home.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gazeclip"


def make_private_folder(folder: Path) -> bool:
    """Make a folder that only this user may enter; whether it is one, also if it was there.

    Raises:
        OSError: it cannot be made.
    """
    if not hasattr(os, "geteuid"):  # permissions of other systems are not understood here
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()  # a link is no folder
    mine = facts.st_uid == os.geteuid()
    return stat.S_ISDIR(facts.st_mode) and mine and not facts.st_mode & _OTHERS_MAY_WRITE


def read_private_file(path: Path) -> bytes | None:
    """A file's bytes, if it is this user's own, no link, and nobody else may write to it.

    Raises:
        OSError: it is not there, a link, or cannot be read.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        facts = os.fstat(file.fileno())  # of what is open, whatever the path names by now
        mine = facts.st_uid == os.geteuid()
        if not stat.S_ISREG(facts.st_mode) or not mine or facts.st_mode & _OTHERS_MAY_WRITE:
            return None
        return file.read()
