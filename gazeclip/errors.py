"""Errors that a user can act on: one line saying what is wrong, and the remedy. The command line exits 2 on them."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Iterable
from types import ModuleType

from gazeclip.privacy import silence, switch_telemetry_off

DISTRIBUTION = "gazeclip-edge"
# PyPI's torch for Linux is the CUDA build, so these are never installed before `tools/install_torch.py` has chosen one.
TORCH_EXTRAS = ("train", "tflite", "all")
_LONGEST_REASON = 200  # characters


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
    """An optional package is not installed, or is and cannot be imported."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module, its telemetry switched off before, or say how to install it.

    Args:
        module: import name, e.g. `onnxruntime`.
        extra: the extra of this distribution that brings it.

    Raises:
        MissingDependencyError: the module (or a part of it) is not installed, or is broken.
    """
    switch_telemetry_off()
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        root = module.partition(".")[0]
        lacking = error.name or module
        if lacking.partition(".")[0] == root and importlib.util.find_spec(root) is not None:
            raise _broken(module, extra, error) from error
        raise MissingDependencyError(
            f"'{lacking}' is not installed",
            remedy=f"Run: {install_command(extra)}",
        ) from error
    except Exception as error:  # a damaged package raises anything: ImportError, OSError, AttributeError
        raise _broken(module, extra, error) from error
    silence(found)
    return found


def _broken(module: str, extra: str, error: Exception) -> MissingDependencyError:
    """The error for a package that is there and does not import; installing over it would change nothing."""
    distribution = module.partition(".")[0].replace("_", "-")
    reason = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
    return MissingDependencyError(
        f"'{module}' is installed but cannot be imported ({reason})",
        remedy=f"Run: python -m pip uninstall -y {distribution} && {install_command(extra)}",
    )


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
