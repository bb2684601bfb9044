"""SHA-256 of files and of JSON values: what a stage was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Of a recipe: what names weights, in a file or by a word.
WEIGHT_KEYS = frozenset({"weights", "backbone_weights", "clip_pretrained"})
CONTENT = "sha256:"  # what the name of a file by its content begins with
SHORT_NAME = len(CONTENT) + 12  # characters


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


def name_by_content(value: Any) -> Any:
    """`sha256:...` for the path of a file; any other value as it is.

    Names of packages, tags and `none` have no content to hash.
    """
    if isinstance(value, str) and value and Path(value).is_file():
        return f"{CONTENT}{sha256(Path(value))}"
    return value


def shorten_name(name: str) -> str:
    """What `name_by_content` made, short enough for a line of text; other names as they are."""
    return name[:SHORT_NAME] if name.startswith(CONTENT) else name


def name_weights_by_content(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a nested configuration in which weight files are named by what is in them.

    A file that lies elsewhere today is the same weights; the same path may hold others.
    """
    named = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            named[key] = name_weights_by_content(value)
        elif key in WEIGHT_KEYS:
            named[key] = name_by_content(value)
        else:
            named[key] = value
    return named


def fingerprint(data: Any) -> str:
    """SHA-256 of a JSON-serialisable value, independent of key order."""
    text = json.dumps(data, sort_keys=True, allow_nan=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
