"""Hashes are those of hashlib."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gazeclip.files.hashes import fingerprint, sha256


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "d" / "s").mkdir(parents=True)
    (tmp_path / "d" / "s" / "a").write_bytes(b"abc" * 500_000)
    (tmp_path / "d" / "b").write_bytes(b"")
    assert sha256(tmp_path / "d" / "s" / "a") == hashlib.sha256(b"abc" * 500_000).hexdigest()
    before = sha256(tmp_path / "d")
    (tmp_path / "d" / "b").rename(tmp_path / "d" / "c")
    assert sha256(tmp_path / "d") != before
    (tmp_path / "d" / "c").rename(tmp_path / "d" / "b")
    assert sha256(tmp_path / "d") == before
    assert (
        fingerprint({"a": 1, "b": (2,)})
        == fingerprint({"b": [2], "a": 1})
        != fingerprint({"a": 1, "b": [3]})
    )
