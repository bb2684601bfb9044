"""Damaged files: each reading ends in a state, never in a crash of the process.

The library is native code, so the damaged files are read in a process of their own: its exit
status tells of a crash, its answers of everything else.
"""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from runtimes.provenance import bounded
from runtimes.provenance.credentials import STATES
from runtimes.provenance.reader import TOO_MUCH, CredentialReader
from tests.runtimes.provenance.signing import MEDIA_TYPES, Authority, draw, sign

ROOT = Path(__file__).parents[3]
COUNT = 150  # files of each kind
READ_ALL = """
import json, sys
from collections import Counter
from pathlib import Path
from runtimes.provenance.reader import CredentialReader
reader = CredentialReader()
found = {}
for folder in Path(sys.argv[1]).iterdir():
    found[folder.name] = Counter(reader.read(path).state for path in folder.iterdir())
print(json.dumps(found))
"""


def damage(picture: bytes, rng: random.Random) -> bytes:
    """A copy with some bits turned, lengths overwritten, parts cut out, doubled or cut off."""
    data = bytearray(picture)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place = rng.randrange(len(data))
        until = place + rng.randrange(1, 200)
        way = rng.choice(("bit", "number", "cut off", "cut out", "double"))
        if way == "bit":
            data[place] ^= 1 << rng.randrange(8)
        elif way == "number":
            extremes = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1")
            data[place : place + 4] = rng.choice(extremes)
        elif way == "cut off" and place > 64:
            del data[place:]
        elif way == "cut out":
            del data[place : min(until, len(data) - 1)]
        elif way == "double":
            data[place:place] = data[place:until]
    return bytes(data)


def make_crowded_tiff(entries: int) -> bytes:
    """A TIFF whose directory has so many entries, each a number of its own."""
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", entries)
    body = b"".join(struct.pack("<HHII", tag, 4, 1, 0) for tag in range(entries))
    return head + body + bytes(4)


def test_a_file_that_is_read_a_few_bytes_at_a_time_is_given_up() -> None:
    reader = CredentialReader()
    assert reader.read(make_crowded_tiff(100)).state == "absent"
    found = reader.read(make_crowded_tiff(65_535))
    assert (found.state, found.reason) == ("unreadable", TOO_MUCH)


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_sound_files_take_a_quarter_of_what_is_given(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "_FREE_CALLS", bounded._FREE_CALLS // 4)
    monkeypatch.setattr(bounded, "_TIMES", bounded._TIMES // 4)
    picture = draw(kind, (600, 400))
    signed = sign(picture, Authority().make_signer("A camera"), kind)
    assert CredentialReader().read(signed).state == "valid"
    assert CredentialReader().read(picture).state == "absent"


def write_damaged(folder: Path, kind: str) -> None:
    authority = Authority()
    made = sign(draw(kind), authority.make_signer("A camera"), kind)
    edited = sign(draw(kind), authority.make_signer("An editor"), kind, parent=made)
    rng = random.Random(11)
    folder.mkdir()
    for number in range(COUNT):
        data = damage(rng.choice((made, edited)), rng)
        (folder / f"{number:04}").write_bytes(data)


def test_damaged_files_crash_nothing(tmp_path: Path) -> None:
    for kind in MEDIA_TYPES:
        write_damaged(tmp_path / kind, kind)
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert set(told) == set(MEDIA_TYPES)
    for kind, found in told.items():
        assert sum(found.values()) == COUNT and set(found) <= set(STATES), kind
        assert found["broken"] > 0 and found["unreadable"] > 0, kind
