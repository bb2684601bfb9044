"""Errors that a user can act on: one line saying what is wrong, and the remedy. The command line exits 2 on them."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType

DISTRIBUTION = "gazeclip-edge"
# PyPI's torch for Linux is the CUDA build, so these are never installed before `tools/install_torch.py` has chosen one.
TORCH_EXTRAS = ("train", "tflite", "all")


class GazeClipError(Exception):
    """A problem the user can solve. `message` says what is wrong in one line, `remedy` what to do about it."""

    exit_code = 2

    def __init__(self, message: str, remedy: str | None = None) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(message if remedy is None else f"{message}. {remedy}")


class ConfigError(GazeClipError):
    """A recipe or an option is wrong; all faults of one recipe are reported together."""


class ManifestError(GazeClipError):
    """A data manifest is unusable; all its faults are reported together."""


class ImageError(GazeClipError):
    """One image cannot be read."""


class ArtifactError(GazeClipError):
    """A file written by an earlier stage is missing, truncated or of another kind."""


class BundleError(GazeClipError):
    """An exported bundle is missing, tampered with, truncated or inconsistent."""


class WeightsError(GazeClipError):
    """Pretrained weights are missing or do not fit the network."""


class StageError(GazeClipError):
    """A stage cannot run: what it reads is not there, or its work went wrong."""


class MissingDependencyError(GazeClipError):
    """An optional package is not installed."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module, or say how to install it.

    Args:
        module: import name, e.g. `onnxruntime`.
        extra: the extra of this distribution that brings it.

    Raises:
        MissingDependencyError: the module (or a part of it) is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        what = f"'{error.name or module}' is not installed"
        raise MissingDependencyError(what, remedy=f"Run: {install_command(extra)}") from error
    except ImportError as error:
        what = f"'{module}' cannot be imported ({' '.join(str(error).split())})"
        raise MissingDependencyError(what, remedy=f"Run: {install_command(extra)}") from error


def install_command(extra: str | None = None) -> str:
    """What installs an extra (None: the core), to be run in the repository; never a way to an unasked-for CUDA build."""
    if extra in TORCH_EXTRAS:
        return f"make install (or by hand: python tools/install_torch.py && python -m pip install -c constraints.txt -e '.[{extra}]')"
    return f"python -m pip install -c constraints.txt -e '.{f'[{extra}]' if extra else ''}'"


def nearest(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the closest known name, or the list of names. A hint only, never applied."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(names)}"
