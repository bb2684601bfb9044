"""Optional packages: imported through `require`, which says how to install what is missing."""

from __future__ import annotations

import importlib
import importlib.util
import shlex
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from types import ModuleType

from gazeclip.errors import Fault, MissingDependencyError
from gazeclip.system.place import CONSTRAINTS, ROOT, is_checkout, name_python, shorten_path
from gazeclip.system.privacy import silence, switch_telemetry_off

DISTRIBUTION = "gazeclip-edge"
# PyPI's torch for Linux is the CUDA build, so these are never installed before
# `gazeclip.system.install_torch` has chosen one.
TORCH_EXTRAS = ("train", "tflite", "all")
_LONGEST_REASON = 200  # characters

# What the stages import, by the extra that brings it. Export targets and engines name theirs in
# their own registries.
TEACHER_PACKAGES = ("torch", "torchvision", "timm", "open_clip", "safetensors", "accelerate")
STAGE_PACKAGES = {
    "train": (*TEACHER_PACKAGES, "nncf", "torchao"),
    "bench": ("jinja2",),
}


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
            raise _describe_damage(module, extra, error) from error
        raise MissingDependencyError(
            f"'{lacking}' is not installed",
            remedy=f"Run: {install_command(extra)}",
        ) from error
    except Exception as error:  # a damaged package raises ImportError, OSError, AttributeError...
        raise _describe_broken(module, extra, _shorten_reason(error)) from error
    if _is_leftover(getattr(found, "__spec__", None)):
        raise _describe_damage(module, extra, None)
    silence(found)
    return found


def is_installed(package: str) -> bool:
    """Whether a package can be found. Nothing is imported, so it may still be broken."""
    spec = importlib.util.find_spec(package)
    return spec is not None and not _is_leftover(spec)


def find_import_faults(modules: Iterable[str], extra: str) -> list[Fault]:
    """Those of `modules` that `require` refuses, each with what is to be done.

    They are imported, which takes seconds for a converter.
    """
    faults = []
    for module in modules:
        try:
            require(module, extra)
        except MissingDependencyError as error:
            faults.append(Fault(error.message, error.remedy or "", MissingDependencyError))
    return faults


def _is_leftover(spec: ModuleSpec | None) -> bool:
    """Whether a package is a mere folder without `__init__.py`, which Python imports all the same.

    An uninstallation leaves one where files had been added to it.
    """
    if spec is None:
        return False
    return spec.origin is None and spec.submodule_search_locations is not None


def _describe_damage(
    module: str, extra: str, error: ModuleNotFoundError | None
) -> MissingDependencyError:
    """The error for a package of which a part is gone (`error`), or all but its folder."""
    root = module.partition(".")[0]
    spec = importlib.util.find_spec(root)
    if not _is_leftover(spec):
        return _describe_broken(module, extra, _shorten_reason(error) if error else "no file")
    folder = next(iter((spec.submodule_search_locations if spec else None) or ()), root)
    left = f"of it only the folder {folder} is left"
    if _find_distributions(root):  # pip would call it satisfied
        return _describe_broken(module, extra, left)
    return MissingDependencyError(
        f"'{module}' is not installed ({left})", remedy=f"Run: {install_command(extra)}"
    )


def _shorten_reason(error: Exception) -> str:
    return " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__


def _find_distributions(root: str) -> list[str]:
    """What pip calls the installed distributions of a package.

    `onnxruntime-gpu`, say, for `onnxruntime`.
    """
    from importlib import metadata  # 20 ms that a start need not wait

    found = list(dict.fromkeys(metadata.packages_distributions().get(root, ())))
    own = root.replace("_", "-")
    if not found and installed_version(own) is not None:
        return [own]
    return sorted(found)


def _describe_broken(module: str, extra: str, reason: str) -> MissingDependencyError:
    """The error for a package that is there and does not import.

    Installing over it would change nothing.
    """
    root = module.partition(".")[0]
    distributions = _find_distributions(root) or [root.replace("_", "-")]
    uninstall = f"{name_python()} -m pip uninstall -y {' '.join(distributions)}"
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


def installed_version(distribution: str) -> str | None:
    """Installed version of a distribution; None if it is missing or carries no metadata."""
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
