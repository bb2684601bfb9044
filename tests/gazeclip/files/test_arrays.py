"""An array on disk is there at its full size, or an error and nothing."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from gazeclip.errors import ArtifactError
from gazeclip.files.arrays import open_array

FLOAT = np.dtype(np.float32)


def test_zeros_at_first_then_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.npy"
    array = open_array(path, (3, 2), FLOAT, "figures")
    assert array.shape == (3, 2) and not array.any()
    array[1] = 7
    array.flush()
    np.testing.assert_array_equal(open_array(path, (), FLOAT, "figures"), [[0, 0], [7, 7], [0, 0]])
    np.testing.assert_array_equal(np.load(path), [[0, 0], [7, 7], [0, 0]])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take the room otherwise")
def test_the_room_is_taken_at_once(tmp_path: Path) -> None:
    open_array(tmp_path / "a.npy", (1 << 20,), FLOAT, "figures")
    facts = (tmp_path / "a.npy").stat()
    assert facts.st_blocks * 512 >= facts.st_size


def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(ArtifactError, match=r"no room for 4 MB of figures in .*No space left"):
        open_array(tmp_path / "a.npy", (1000, 1000), FLOAT, "figures")
    assert list(tmp_path.iterdir()) == []


def test_a_process_killed_on_the_way_leaves_no_file_that_is_taken_as_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "posix_fallocate", kill, raising=False)
    with pytest.raises(KeyboardInterrupt):
        open_array(tmp_path / "a.npy", (3,), FLOAT, "figures")
    assert not (tmp_path / "a.npy").exists()
    monkeypatch.undo()
    assert open_array(tmp_path / "a.npy", (3,), FLOAT, "figures").shape == (3,)
