"""SHA-256 of files and of JSON values: what a stage was made from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def sha256(path: Path) -> str:
    """SHA-256 of a file; of a folder over the sorted relative names and hashes of its files."""
    path = Path(path)
    digest = hashlib.sha256()
    if path.is_dir():
        for file in sorted(item for item in path.rglob("*") if item.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()}\0{sha256(file)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def file_inputs(**paths: str | None) -> dict[str, str]:
    """Name -> SHA-256 of those values that are files.

    Names of packages, tags and `none` have no content to hash.
    """
    found = {}
    for name, path in paths.items():
        if path and Path(path).is_file():
            found[name] = sha256(Path(path))
    return found


def fingerprint(data: Any) -> str:
    """SHA-256 of a JSON-serialisable value, independent of key order."""
    text = json.dumps(data, sort_keys=True, allow_nan=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
