"""SHA-256 of this program's own modules: while it is worked on its version stays the same."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path

from gazeclip.files.hashes import fingerprint, sha256


def hash_source(packages: Iterable[str]) -> str:
    """One hash over all modules of packages, which are named as for an import.

    A package that is not installed has no modules.
    """
    digests = []
    for package in packages:
        spec = importlib.util.find_spec(package)
        folders = (spec.submodule_search_locations if spec is not None else None) or ()
        for folder in folders:
            digests += [sha256(path) for path in sorted(Path(folder).rglob("*.py"))]
    return fingerprint(digests)
