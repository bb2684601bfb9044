"""The one walk through a folder for its images; what it leaves out is counted, with the reason."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gazeclip.images.formats import IMAGE_SUFFIXES

# What systems leave in folders, beside names that start with a dot. Among those are copies that
# look like images: .ipynb_checkpoints, ._name.jpg.
_LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin"}
_SUFFIXES_SHOWN = 8


@dataclass
class ImageWalk:
    """What `find_images` found below `folder`, and what it left out."""

    folder: Path
    suffixes: frozenset[str] = IMAGE_SUFFIXES
    """What is taken, in small letters."""
    images: list[Path] = field(default_factory=list)
    """Image files by their suffix, sorted; a linked one has the name of its link."""
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    """Folders, files and links that cannot be read, sorted, each with the reason."""
    hidden: list[Path] = field(default_factory=list)
    """Files and folders with hidden names; nobody looked into the folders."""
    others: Counter[str] = field(default_factory=Counter)
    """Files that are no images by their suffix: suffix (or name, where there is none) -> number."""
    repeated: list[Path] = field(default_factory=list)
    """Links to folders that were walked under another name, or that lead back to where they lie."""

    def left_out(self) -> str:
        """What was left out and why, as the middle of one line; empty if nothing was."""
        parts = []
        if self.hidden:
            number = len(self.hidden)
            parts.append(_count_things(number, "hidden file or folder", "hidden files or folders"))
        if self.others:
            files = _count_things(self.others.total(), "other file", "other files")
            parts.append(f"{files} ({_name_kinds(self.others)})")
        if self.repeated:
            links = _count_things(len(self.repeated), "link", "links")
            parts.append(f"{links} to folders that are here already")
        if self.unreadable:
            path, reason = self.unreadable[0]
            such = "" if len(self.unreadable) == 1 else "such as "
            parts.append(f"{len(self.unreadable)} unreadable ({such}{path}: {reason})")
        return ", ".join(parts)


def find_images(folder: Path, ignored: Iterable[Path] = ()) -> ImageWalk:
    """All images below a folder, by their suffix, and a record of what was left out.

    Links to folders are followed, and each real folder is walked once: under its own name where it
    lies below `folder`, else under that of the first link to it. Hidden names (`is_hidden`) are
    skipped; `folder` itself may have one.

    Args:
        ignored: files to be neither taken nor counted, such as one that is about to be replaced.
    """
    walk = ImageWalk(folder)
    walk.images = sorted(walk_images(walk, ignored))
    walk.unreadable.sort()
    walk.hidden.sort()
    return walk


def walk_images(walk: ImageWalk, ignored: Iterable[Path] = ()) -> Iterator[Path]:
    """The images of `find_images` one by one, for folders of any size.

    In the order of their paths, but what links lead to comes last. Held are only the names in the
    folders that are open at the time. What is left out is recorded in `walk`, and all of it at the
    end; `walk.images` stays empty.
    """
    uncounted = set(ignored)
    walked: set[str] = set()
    linked = [walk.folder]
    while linked:
        # Own folders first: a link never takes a folder away from the place where it really lies.
        opened = [_list_folder(linked.pop(0), walk, walked)]
        while opened:
            path = next(opened[-1], None)
            if path is None:
                opened.pop()
                continue
            mode = None if path in uncounted else _find_mode(path, walk)
            if mode is None:
                continue
            if not stat.S_ISDIR(mode):
                if _is_image(path, mode, walk):
                    yield path
            elif path.is_symlink():
                linked.append(path)
            else:
                opened.append(_list_folder(path, walk, walked))


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is a system's or a program's own, not a person's."""
    return name.startswith(".") or name.casefold() in _LITTER


def _list_folder(place: Path, walk: ImageWalk, walked: set[str]) -> Iterator[Path]:
    """What lies in a folder, by name; nothing if it was walked before or cannot be read."""
    real = os.path.realpath(place)
    if real in walked:
        walk.repeated.append(place)
        return iter(())
    walked.add(real)
    try:
        with os.scandir(place) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        walk.unreadable.append((place, error.strerror or str(error)))
        return iter(())
    return (place / name for name in names)


def _find_mode(path: Path, walk: ImageWalk) -> int | None:
    """What the system says that an entry is; None, and recorded, if it is not to be looked at."""
    if is_hidden(path.name):
        walk.hidden.append(path)
        return None
    try:
        return path.stat().st_mode  # fails for a broken link and for a loop of links
    except OSError as error:
        broken = isinstance(error, FileNotFoundError)
        reason = "link to nothing" if broken else error.strerror or str(error)
        walk.unreadable.append((path, reason))
        return None


def _is_image(path: Path, mode: int, walk: ImageWalk) -> bool:
    """Whether a file is an image that can be read; if it is not, it is recorded."""
    suffix = path.suffix.lower()
    if suffix not in walk.suffixes:
        walk.others[suffix or path.name] += 1
    elif not stat.S_ISREG(mode):
        walk.unreadable.append((path, "not a plain file"))
    elif not os.access(path, os.R_OK):
        walk.unreadable.append((path, "Permission denied"))
    else:
        return True
    return False


def _name_kinds(others: Counter[str]) -> str:
    ordered = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{kind} {count}" for kind, count in ordered[:_SUFFIXES_SHOWN])
    return f"{shown}, ..." if len(others) > _SUFFIXES_SHOWN else shown


def _count_things(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
