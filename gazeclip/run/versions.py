"""Which versions a result was made with: written into every stage's record and every bundle."""

from __future__ import annotations

import importlib

from gazeclip import __version__
from gazeclip.system.packages import DISTRIBUTION, installed_version

# Distributions that shape results and figures whatever the targets and engines are.
_CORE = ("numpy", "pillow", "torch", "timm", "open_clip_torch", "nncf")


def read_versions() -> dict[str, str]:
    """Installed versions of this program and of the packages that shape results.

    What is not installed is left out.
    """
    found = {DISTRIBUTION: __version__}
    for name in (*_CORE, *_list_registered()):
        version = installed_version(name)
        if version is not None:
            found[name] = version
    return found


def _list_registered() -> list[str]:
    """Distributions that the entries of targets and engines name.

    The tables stand in packages above this one, so they are imported by name.
    """
    targets = importlib.import_module("export.registry").TARGETS
    engines = importlib.import_module("runtimes.engines.registry").ENGINES
    names = []
    for entry in (*targets.values(), *engines.values()):
        names += [package.replace("_", "-") for package in entry.packages]
    return list(dict.fromkeys(names))
