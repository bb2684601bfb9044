"""The iOS listing reads golden.npz itself: where its entries lie, by the listing's own lines."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import GOLDEN
from tests.integrate.arithmetic import find_body, work_out
from tests.integrate.listings import GUIDES, join_listings

pytestmark = pytest.mark.checkout


def walk(data: bytes) -> dict[str, bytes]:
    """Entries by name, as `unpack` goes from header to header."""
    body = find_body(join_listings("ios.md"), "unpack")
    (loop,) = [line for line in body if line.startswith("while ")]
    magic = int(re.findall(r"number\(start, 4\) == (\w+)", loop)[0], 0)
    lines = body[body.index(loop) + 1 : body.index("guard end <= zip.count else { break }")]

    def number(place: int, count: int) -> int:
        return int.from_bytes(data[place : place + count], "little")

    found = {}
    start = 0
    while start + 30 <= len(data) and number(start, 4) == magic:
        places = {"start": start, "number": number}
        work_out(lines, places)
        packed = data[places["data"] : places["end"]]
        name = data[start + 30 : places["nameEnd"]].decode()
        # NSData's `.zlib` is the bare deflate of RFC 1951
        found[name] = packed if places["method"] == 0 else zlib.decompress(packed, -15)
        start = places["end"]
    return found


def test_the_golden_arrays_are_where_the_listing_looks(bundles: dict[str, Path]) -> None:
    bundle = Bundle.load(bundles["tflite"])  # written by the same function for every target
    found = walk((bundle.folder / GOLDEN).read_bytes())
    images, outputs = bundle.golden
    for name, array in {"image": images, **outputs}.items():
        raw = found.pop(f"{name}.npy")
        first = 10 + raw[8] + 256 * raw[9]
        assert (np.frombuffer(raw[first:], array.dtype) == array.flatten()).all()
    assert found == {}
    assert "bytes[(10 + Int(bytes[8]) + 256 * Int(bytes[9]))...]" in join_listings("ios.md")


def test_stored_entries_are_read_as_well() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", b"stored")
        archive.writestr("b.npy", b"deflated" * 9, zipfile.ZIP_DEFLATED)
    assert walk(buffer.getvalue()) == {"a.npy": b"stored", "b.npy": b"deflated" * 9}


def test_nothing_is_put_into_the_bundles_folder() -> None:
    """`bundle check` refuses what is not listed, so no step may unpack anything there."""
    text = (GUIDES / "ios.md").read_text(encoding="utf-8")
    assert "unzip" not in text and f'appendingPathComponent("{GOLDEN}")' in text
