"""The user's cache: where it is, and what is taken from it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gazeclip.system.cache import cache_root, make_private_folder, read_private_file

if not hasattr(os, "geteuid"):
    pytest.skip("other permissions", allow_module_level=True)


def test_the_environment_moves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_root() == Path("/somewhere/gazeclip")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_root() == Path("/home/me/.cache/gazeclip")


def test_a_new_folder_is_private_also_below_one_that_is_not(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    folder = tmp_path / "a" / "b"
    assert make_private_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert make_private_folder(folder)  # the same again


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    for mode, private in ((0o770, False), (0o707, False), (0o755, True)):
        tmp_path.chmod(mode)
        assert make_private_folder(tmp_path) is private


def test_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert not make_private_folder(tmp_path / "link")


def test_a_file_of_somebody_else_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"data")
    file.chmod(0o600)
    assert read_private_file(file) == b"data"
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    assert read_private_file(file) is None
    assert not make_private_folder(tmp_path)


def test_a_file_that_others_may_write_to_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"data")
    for mode in (0o620, 0o602):
        file.chmod(mode)
        assert read_private_file(file) is None


def test_a_link_to_a_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"data")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OSError):
        read_private_file(tmp_path / "link")
