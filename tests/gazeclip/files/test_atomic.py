"""Files appear whole or not at all, JSON is strict and always the same."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from gazeclip.errors import ArtifactError
from gazeclip.files.atomic import atomic_create, atomic_write, read_json, write_json
from gazeclip.files.tensors import load_tensors, save_tensors


def only(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Writes beyond `size` fail as on a full disk (EFBIG instead of ENOSPC)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(OSError(28, "No space left"), ArtifactError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_a_write_that_fails_midway_leaves_the_old_file(
    tmp_path: Path, failure: BaseException, expected: type[BaseException]
) -> None:
    path = tmp_path / "f"
    path.write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("half of the n")
        raise failure

    with pytest.raises(expected):
        atomic_write(path, write)
    assert path.read_text() == "old"
    assert only(tmp_path) == ["f"]


def test_the_file_is_not_visible_while_it_is_written(tmp_path: Path) -> None:
    seen: list[bool] = []
    atomic_write(
        tmp_path / "deep" / "f",
        lambda temporary: (
            temporary.write_text("x"),
            seen.append((tmp_path / "deep" / "f").exists()),
        ),
    )
    assert seen == [False]
    assert (tmp_path / "deep" / "f").read_text() == "x"


def test_a_full_disk_is_a_user_error_for_tensors_too(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save_tensors(path, {"a": torch.ones(2)})
    with pytest.raises(ArtifactError), file_size_limit(100_000):
        save_tensors(path, {"a": torch.zeros(200_000)})
    assert load_tensors(path)[0]["a"].tolist() == [1.0, 1.0]
    assert only(tmp_path) == ["t.safetensors"]


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot write"):
        write_json(tmp_path / "file" / "x.json", {})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_refuses_what_is_no_json(tmp_path: Path, value: float) -> None:
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", {"a": [value]})
    assert read_json(tmp_path / "x.json") == {"a": 1}
    with pytest.raises(ValueError, match="JSON compliant"):
        save_tensors(tmp_path / "t", {"a": torch.ones(1)}, {"score": value})
    assert only(tmp_path) == ["x.json"]


def test_json_is_the_same_whatever_the_order(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"x": 1, "ä": [2]})
    write_json(tmp_path / "b", {"ä": [2], "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_unreadable_json(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="missing"):
        read_json(tmp_path / "none")
    for content in (b'{"a": ', b"\xff\xfe"):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(ArtifactError, match="not valid JSON"):
            read_json(tmp_path / "x")


def test_a_name_with_a_stray_byte_can_be_written(tmp_path: Path) -> None:
    name = b"photo-\xff.png".decode("utf-8", "surrogateescape")
    write_json(tmp_path / "facts.json", {"images": [name], name: ("é", 1)})
    assert read_json(tmp_path / "facts.json") == {
        "images": ["photo-\\xff.png"],
        "photo-\\xff.png": ["é", 1],
    }


@pytest.mark.parametrize("can_link", [True, False])
def test_a_file_that_is_there_is_never_replaced_by_a_new_one(
    can_link: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can_link:  # as on a file system of a memory card

        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr("gazeclip.files.atomic.os.link", refuse)
    path = tmp_path / "a.txt"
    atomic_create(path, lambda file: file.write_text("first"))
    with pytest.raises(FileExistsError):
        atomic_create(path, lambda file: file.write_text("second"))
    (tmp_path / "b.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        atomic_create(tmp_path / "b.txt", lambda file: file.write_text("third"))
    assert path.read_text() == "first" and not (tmp_path / "nowhere").exists()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.txt", "b.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions")
@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_who_may_read_a_file_is_the_users_choice(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        atomic_write(tmp_path / "file", lambda path: path.write_bytes(b"x"))
        assert os.umask(umask) == umask  # and it stays what it was
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode
