"""What a command line names, one image after the other: files, folders, lists, standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gazeclip.console.progress import say
from gazeclip.errors import ConfigError, ImageError
from gazeclip.images.formats import IMAGE_SUFFIXES, NO_IMAGES_REMEDY
from gazeclip.images.source import ImageSource, NamedBytes, read_whole
from gazeclip.images.walk import ImageWalk, walk_images
from runtimes.answers import Judged
from runtimes.commands.name_lists import STDIN, check_list, read_names
from runtimes.video.kinds import describe_missed, list_usable_suffixes

_STDIN_NAME = "standard input"


class Named(NamedTuple):
    """An image, and what its results call it."""

    name: str
    source: ImageSource


class Inputs:
    """Files as they are named, and of folders all images below them; none is kept.

    Attributes:
        failures: what could not be looked at (a folder without images, one that may not be read, a
            list without names), so that it is not passed over in silence; whole when all images
            were given.
    """

    def __init__(
        self,
        named: Sequence[str],
        lists: Sequence[str] = (),
        null: bool = False,
        copies: Path | None = None,
    ) -> None:
        """No image is looked at yet, but lists must be there.

        Args:
            named: files, folders, and `-` for an image on standard input.
            lists: files of names, and `-` for such a list on standard input.
            null: names in lists end in NUL.
            copies: a folder that is written meanwhile and must be none of those that are judged.

        Raises:
            ConfigError: standard input is named twice, or is a terminal; a list cannot be read;
                `copies` is judged.
        """
        self._named = named
        self._lists = lists
        self._null = null
        self._copies = copies
        self.failures: Judged = []
        if [*named, *lists].count(STDIN) > 1:
            raise ConfigError("standard input is named twice", remedy="It can be read once only")
        if STDIN in named and sys.stdin is not None and sys.stdin.isatty():
            remedy = f"Give it a file: verify {STDIN} < IMAGE"
            raise ConfigError("standard input is a terminal and no image", remedy=remedy)
        for name in named:
            refuse_copies_within(Path(name), copies)
        for file in lists:
            check_list(file)

    def __bool__(self) -> bool:
        """Whether anything was named."""
        return bool(self._named or self._lists)

    def count(self) -> int | None:
        """How many images there are now; None where a list has to be read for it."""
        if self._lists:
            return None
        total = 0
        for name in self._named:
            folder = Path(name)
            is_folder = name != STDIN and self._is_folder(folder) is True
            total += sum(1 for _ in walk_images(start_walk(folder))) if is_folder else 1
        return total

    def __iter__(self) -> Iterator[Named]:
        """The images in order; what a folder leaves out is said on standard error."""
        self.failures = []
        for name in self._named:
            if name == STDIN:
                yield from self._read_stdin()
            else:
                yield from self._expand(name)
        for file in self._lists:
            is_empty = True
            for name in read_names(file, self._null):
                is_empty = False
                yield from self._expand(name)
            if is_empty:
                self.failures.append((file, _describe_empty(file)))

    def _read_stdin(self) -> Iterator[Named]:
        try:
            data = read_whole(sys.stdin.buffer, _STDIN_NAME)
        except ImageError as error:
            self.failures.append((STDIN, error))
            return
        yield Named(STDIN, NamedBytes(data, _STDIN_NAME))

    def _expand(self, name: str) -> Iterator[Named]:
        path = Path(name)
        is_folder = self._is_folder(path)
        if isinstance(is_folder, ImageError):
            self.failures.append((_name_path(path), is_folder))
        elif is_folder:
            yield from self._expand_folder(path)
        else:
            yield Named(_name_path(path), path)

    def _is_folder(self, path: Path) -> bool | ImageError:
        try:
            return path.is_dir()
        except OSError as error:  # a name that is too long, a folder above it that may not be read
            what = f"{path} cannot be read ({error.strerror})"
            return ImageError(what, remedy="Correct its name or permissions")

    def _expand_folder(self, folder: Path) -> Iterator[Named]:
        refuse_copies_within(folder, self._copies)
        walk = start_walk(folder)
        is_empty = True
        for path in walk_images(walk):
            is_empty = False
            yield Named(str(path), path)
        if left_out := walk.left_out():
            say(f"{folder}: left out {left_out}")
        if missed := describe_missed(walk.others):
            say(f"warning: {folder}: {missed}")
        for path, reason in sorted(walk.unreadable):
            self.failures.append((str(path), describe_unreadable(path, reason)))
        if is_empty and not walk.unreadable:
            nothing = ImageError(f"{folder} has no images", remedy=NO_IMAGES_REMEDY)
            self.failures.append((_name_path(folder), nothing))


def _name_path(path: Path) -> str:
    """What results call a path: of one that is called as standard input is, with its folder."""
    name = str(path)
    return f"{os.curdir}{os.sep}{name}" if name == STDIN else name


def _describe_empty(file: str) -> ImageError:
    """What is said of a list without names, which is seldom what was meant."""
    place = f"on {_STDIN_NAME}" if file == STDIN else file
    what = f"the list {place} names no image"
    return ImageError(what, remedy="Look at what wrote it: a wrong folder or pattern finds nothing")


def start_walk(folder: Path) -> ImageWalk:
    """Films are taken where they can be judged."""
    return ImageWalk(folder, IMAGE_SUFFIXES | list_usable_suffixes())


def describe_unreadable(path: Path, reason: str) -> ImageError:
    """What is said of a file or folder that the walk through a folder could not read."""
    remedy = "Correct its permissions or its link, or leave it out"
    return ImageError(f"{path} cannot be read ({reason})", remedy=remedy)


def refuse_copies_within(folder: Path, copies: Path | None) -> None:
    """Raise if copies would be written where images are judged, and be judged themselves.

    Raises:
        ConfigError: `copies` is `folder`, or lies below it.
    """
    if copies is None:
        return
    judged = Path(os.path.realpath(folder))
    written = Path(os.path.realpath(copies))
    if judged in (written, *written.parents):
        what = f"the copies' folder {copies} lies in {folder}, whose images are judged"
        raise ConfigError(what, remedy="Give --save a folder outside it")
