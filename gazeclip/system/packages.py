"""Optional packages: imported through `require`, which says how to install what is missing."""

from __future__ import annotations

import importlib
import importlib.util
import shlex
from importlib import metadata
from types import ModuleType

from gazeclip import __version__
from gazeclip.errors import MissingDependencyError
from gazeclip.system.place import CONSTRAINTS, ROOT, is_checkout, name_python, shorten_path
from gazeclip.system.privacy import silence, switch_telemetry_off

DISTRIBUTION = "gazeclip-edge"
# PyPI's torch for Linux is the CUDA build, so these are never installed before
# `gazeclip.system.install_torch` has chosen one.
TORCH_EXTRAS = ("train", "tflite", "all")
_LONGEST_REASON = 200  # characters


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
            raise _describe_broken(module, extra, error) from error
        raise MissingDependencyError(
            f"'{lacking}' is not installed",
            remedy=f"Run: {install_command(extra)}",
        ) from error
    except Exception as error:  # a damaged package raises ImportError, OSError, AttributeError...
        raise _describe_broken(module, extra, error) from error
    silence(found)
    return found


def _describe_broken(module: str, extra: str, error: Exception) -> MissingDependencyError:
    """The error for a package that is there and does not import; installing over it would change
    nothing.
    """
    distribution = module.partition(".")[0].replace("_", "-")
    uninstall = f"{name_python()} -m pip uninstall -y {distribution}"
    reason = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
    return MissingDependencyError(
        f"'{module}' is installed but cannot be imported ({reason})",
        remedy=f"Run: {uninstall} && {install_command(extra)}",
    )


def install_command(extra: str | None = None) -> str:
    """What installs an extra (None: the core) here; never a way to an unasked-for CUDA build.

    In a checkout it installs that, elsewhere the distribution, which is then kept as it is and gets
    the extra's packages. Both use the pins that the package carries.
    """
    extras = f"[{extra}]" if extra else ""
    python = name_python()
    if is_checkout():
        constraints = shlex.quote(shorten_path(ROOT / "constraints.txt"))
        wanted = f"-e {_quote(shorten_path(ROOT) + extras)}"
    else:
        constraints = shlex.quote(shorten_path(CONSTRAINTS))
        wanted = _quote(DISTRIBUTION + extras)
    command = f"{python} -m pip install -c {constraints} {wanted}"
    if extra not in TORCH_EXTRAS:
        return command
    by_hand = f"{python} -m gazeclip.system.install_torch && {command}"
    if not is_checkout():
        return by_hand
    folder = shorten_path(ROOT)
    make = "make install" if folder == "." else f"make -C {shlex.quote(folder)} install"
    return f"{make} (or by hand: {by_hand})"


def _quote(text: str) -> str:
    """In single quotes always: shells expand square brackets, and some complain of them."""
    return "'" + text.replace("'", "'\\''") + "'"


# Distributions that shape results and figures.
_VERSIONED = (
    "numpy",
    "pillow",
    "torch",
    "timm",
    "open_clip_torch",
    "nncf",
    "openvino",
    "onnx",
    "onnxruntime",
    "coremltools",
    "litert-torch",
    "ai-edge-litert",
    "tflite-runtime",
)


def installed_version(distribution: str) -> str | None:
    """Installed version of a distribution; None if it is missing or carries no metadata."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def read_versions() -> dict[str, str]:
    """Installed versions of this program and of the packages that shape results."""
    found = {DISTRIBUTION: __version__}
    for name in _VERSIONED:
        version = installed_version(name)
        if version is not None:
            found[name] = version
    return found
