"""What two bundles differ in: what they say, what they hold, and where the bytes part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import GOLDEN, OUTPUTS, TEXT_BANK

# Of bundle.json: told by the files themselves, or following from all the rest.
_LEFT_OUT = ("files", "digest")
_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same; None stands for what one of them does not have.

    Attributes:
        part: a key of bundle.json, or `files`.
        name: what of it.
    """

    part: str
    name: str
    first: Any
    second: Any


def compare_bundles(first: Bundle, second: Bundle) -> list[Difference]:
    """All differences of two checked bundles; none where they are the same, byte for byte.

    Signatures do not count: they say who vouches for a bundle and are no part of it.
    """
    if first.digest == second.digest:
        return []
    differences = list(_compare_meta(first.meta, second.meta))
    return [*differences, *_compare_files(first, second), *_compare_arrays(first, second)]


def _compare_meta(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    for part in sorted(set(first) | set(second)):
        if part in _LEFT_OUT:
            continue
        a = _flatten(first[part]) if part in first else {}
        b = _flatten(second[part]) if part in second else {}
        for name in _merge_names(a, b):
            if name not in a or name not in b or a[name] != b[name]:
                yield Difference(part, name, a.get(name), b.get(name))


def _merge_names(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """All names, in the order of the first, then what only the second has."""
    return list(dict.fromkeys([*a, *b]))


def _flatten(value: Any, name: str = "") -> dict[str, Any]:
    """Leaves by dotted name; an entry of a list goes by its own `name` where it has one."""
    if isinstance(value, Mapping) and value:
        items = {str(key): item for key, item in value.items()}
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = {_name_entry(item, place): item for place, item in enumerate(value)}
    else:
        return {name: value}
    leaves = {}
    for key, item in items.items():
        leaves.update(_flatten(item, f"{name}.{key}" if name else key))
    return leaves


def _name_entry(item: Any, place: int) -> str:
    """The place stays in it, because the order of classes is that of the logits."""
    named = item.get("name") if isinstance(item, dict) else None
    return str(place) if named is None else f"{place} {named}"


def _compare_files(first: Bundle, second: Bundle) -> Iterator[Difference]:
    a: Mapping[str, Any] = first.meta["files"]
    b: Mapping[str, Any] = second.meta["files"]
    for name in _merge_names(a, b):
        if name not in a or name not in b:
            yield Difference("files", name, _tell_size(a.get(name)), _tell_size(b.get(name)))
        elif a[name]["sha256"] != b[name]["sha256"]:
            count, place = count_other_bytes(first, second, name)
            size = _tell_size(a[name])
            where = f"{count} bytes differ, the first is number {place}"
            yield Difference("files", name, size, f"{_tell_size(b[name])}, {where}")


def _tell_size(entry: Mapping[str, Any] | None) -> str | None:
    return None if entry is None else f"{entry['bytes']} bytes"


def count_other_bytes(first: Bundle, second: Bundle, name: str) -> tuple[int, int]:
    """How many bytes of a file differ, and the number of the first, from 0.

    What the longer one has more counts as different.
    """
    sizes = [(bundle.folder / name).stat().st_size for bundle in (first, second)]
    shared = min(sizes)
    count = max(sizes) - shared
    place = shared
    with (first.folder / name).open("rb") as a, (second.folder / name).open("rb") as b:
        for offset in range(0, shared, _BLOCK):
            length = min(_BLOCK, shared - offset)
            block = np.frombuffer(a.read(length), np.uint8)
            other = np.frombuffer(b.read(length), np.uint8)
            found = np.flatnonzero(block != other)
            if len(found):
                place = min(place, offset + int(found[0]))
                count += len(found)
    return count, place


def _compare_arrays(first: Bundle, second: Bundle) -> Iterator[Difference]:
    """How far apart the numbers are that the files hold."""
    pairs = [(TEXT_BANK, "largest difference", first.text_bank, second.text_bank)]
    images, outputs = first.golden
    other_images, other_outputs = second.golden
    pairs.append((GOLDEN, "images, largest difference", images, other_images))
    for output in OUTPUTS:
        what = f"{output}, largest difference"
        pairs.append((GOLDEN, what, outputs[output], other_outputs[output]))
    for part, name, a, b in pairs:
        if a.shape != b.shape:
            yield Difference(part, name, str(a.shape), str(b.shape))
        elif not np.array_equal(a, b):
            distance = np.abs(a.astype(np.float64) - b.astype(np.float64)).max()
            yield Difference(part, name, 0.0, float(distance))
