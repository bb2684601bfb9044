"""A folder that is watched: each image is due once it is complete.

The folder is looked through again and again, which works on every file system, network drives
included, and needs no package.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from gazeclip.errors import ConfigError
from gazeclip.images.walk import walk_images
from runtimes.commands.inputs import Named, start_walk

LOOK_EVERY_S = 0.5
# A file that is being written changes its size or time; one that was renamed never does.
SETTLED_AFTER_S = 1.0


class Due(NamedTuple):
    """An image to be judged, or why it cannot be read (None: it can)."""

    path: Path
    reason: str | None


class _State(NamedTuple):
    """What changes while a file is written, and why it cannot be read (None: it can)."""

    size: int
    changed_ns: int
    inode: int
    reason: str | None = None


@dataclass
class _Seen:
    """A file as it was seen, since when it is so, and whether that was told."""

    state: _State
    since: float
    is_told: bool


@dataclass
class Stop:
    """Whether the end was asked for.

    A plain attribute: a lock could be held by what a signal interrupts.
    """

    is_requested: bool = False


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """The first SIGINT or SIGTERM asks for the end, a second one does what it always does."""
    stop = Stop()
    previous: dict[int, Any] = {}

    def request(number: int, _: FrameType | None) -> None:
        stop.is_requested = True
        signal.signal(number, previous[number])

    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, request)
    try:
        yield stop
    finally:
        for caught, handler in previous.items():
            signal.signal(caught, handler)


@dataclass
class Watch:
    """Images that come into a folder, or change there, after this was made.

    Attributes:
        folder: everything below it counts, as where a folder is named to be judged.
    """

    folder: Path
    _seen: dict[Path, _Seen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What is there already is not due.

        Raises:
            ConfigError: there is no such folder.
        """
        if not self.folder.is_dir():
            remedy = "Make it, or correct its name"
            raise ConfigError(f"there is no folder {self.folder} to watch", remedy=remedy)
        for path, state in self._look().items():
            self._seen[path] = _Seen(state, time.monotonic(), is_told=True)

    def leave_out(self, images: Iterable[Named]) -> Iterator[Named]:
        """The same images, each of which is due only if it changes from now on."""
        folder = self.folder.absolute()
        for image in images:
            if isinstance(image.source, Path):
                path = image.source.absolute()
                if path.is_relative_to(folder):
                    self._remember(self.folder / path.relative_to(folder))
            yield image

    def _remember(self, path: Path) -> None:
        with contextlib.suppress(OSError):  # it is not there: whoever judges it says so
            state = _find_state(path)
            self._seen[path] = _Seen(state, time.monotonic(), is_told=True)

    def find_due(self) -> list[Due]:
        """What has come and has not changed for a second."""
        if not self.folder.is_dir():  # such as a drive that is away for a while
            return []
        now = time.monotonic()
        found = self._look()
        due = []
        for path, state in found.items():
            seen = self._seen.get(path)
            if seen is None or seen.state != state:
                self._seen[path] = _Seen(state, now, is_told=False)
            elif not seen.is_told and now - seen.since >= SETTLED_AFTER_S:
                seen.is_told = True
                due.append(Due(path, state.reason))
        for path in self._seen.keys() - found.keys():
            if not os.path.lexists(path):  # what cannot be read for a while is not gone
                del self._seen[path]
        return due

    def _look(self) -> dict[Path, _State]:
        """All images, each with what changes while it is written; empty ones are left out."""
        walk = start_walk(self.folder)
        found: dict[Path, _State] = {}
        for path in walk_images(walk):
            with contextlib.suppress(OSError):  # taken away since
                state = _find_state(path)
                if state.size > 0:
                    found[path] = state
        for path, reason in walk.unreadable:
            if os.path.lexists(path):
                found[path] = _State(0, 0, 0, reason)
        return found


def _find_state(path: Path) -> _State:
    status = path.stat()
    return _State(status.st_size, status.st_mtime_ns, status.st_ino)
