"""Errors that a user can act on: one line saying what is wrong, and the remedy.

The command line exits 2 on them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace


class GazeClipError(Exception):
    """A problem the user can solve.

    Attributes:
        message: what is wrong, in one line.
        remedy: what to do about it.
    """

    exit_code = 2

    def __init__(self, message: str, remedy: str | None = None) -> None:
        self.message = message
        self.remedy = remedy
        # Behind a list the remedy has a line of its own, or it would seem to be the last item's.
        joint = "\n  " if "\n" in message else ". "
        super().__init__(message if remedy is None else f"{message}{joint}{remedy}")


class ConfigError(GazeClipError):
    """A recipe or an option is wrong; all faults of one recipe are reported together."""


class ManifestError(GazeClipError):
    """A data manifest is unusable; all its faults are reported together."""


class ImageError(GazeClipError):
    """One image cannot be read."""


class FaceError(ImageError):
    """An image was read, and has no face that can be judged.

    Attributes:
        outcome: why: `no_face`, `too_small`, `cut_off`, ...
        frame: the number of the frame that has none, of `frames` in the file.
        note: what was done about the image's colours; None: nothing.
        remarks: of a film, what the user must be told of how it was looked at.
        faces: of an image, why each face cannot be judged, and its box `x0, y0, x1, y1`.
    """

    def __init__(self, message: str, outcome: str, remedy: str | None = None) -> None:
        super().__init__(message, remedy)
        self.outcome = outcome
        self.frame = 1
        self.frames = 1
        self.note: str | None = None
        self.remarks: tuple[str, ...] = ()
        self.faces: tuple[tuple[str, tuple[int, ...]], ...] = ()


class ArtifactError(GazeClipError):
    """A file written by an earlier stage is missing, truncated or of another kind."""


class BundleError(GazeClipError):
    """An exported bundle is missing, tampered with, truncated or inconsistent."""


class WeightsError(GazeClipError):
    """Pretrained weights are missing or do not fit the network."""


class StageError(GazeClipError):
    """A stage cannot run: what it reads is not there, or its work went wrong."""


class GateError(GazeClipError):
    """A file judges worse than its fp32 twin by more than is allowed, or it cannot be told."""

    exit_code = 3


class MissingDependencyError(GazeClipError):
    """An optional package is not installed, or is and cannot be imported."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an input: for who lists all, and for who raises the first."""

    what: str
    remedy: str
    error: type[GazeClipError] = ConfigError

    def within(self, setting: str) -> Fault:
        """The same with the name of the setting in front of it, as a recipe's reader knows it."""
        return replace(self, what=f"{setting}{self.what}")


def raise_first(faults: Iterable[Fault]) -> None:
    """Raise the first fault as the error that it is; nothing happens if there is none."""
    for fault in faults:
        raise fault.error(fault.what, remedy=fault.remedy)


def nearest(word: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """`Did you mean 'x'?` for the closest known name; a hint only, never applied.

    Args:
        otherwise: what to say where no name is close; the list of all names by default.
    """
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Known: {', '.join(names)}" if otherwise is None else otherwise
