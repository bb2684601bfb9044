"""The walk through a folder: links, hidden names, what cannot be read; all of it is counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gazeclip.images.walk import find_images, is_hidden


def touch(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return paths


def test_images_are_found_by_suffix_and_the_rest_is_counted(tmp_path: Path) -> None:
    images = touch(tmp_path, "a.jpg", "b/c.PNG", "b/d.tiff", "b-2.webp")
    touch(tmp_path, "notes.txt", "b/more.TXT", "README", "b/animation.gif")
    walk = find_images(tmp_path)
    assert walk.images == sorted(images)
    assert walk.others == {".txt": 2, "README": 1, ".gif": 1}
    assert walk.left_out() == "4 other files (.txt 2, .gif 1, README 1)"
    assert find_images(tmp_path, ignored=[tmp_path / "notes.txt"]).others[".txt"] == 1


def test_hidden_names_are_skipped_and_counted(tmp_path: Path) -> None:
    (image,) = touch(tmp_path / ".album", "a.jpg")
    names = (".ipynb_checkpoints/a-checkpoint.jpg", "._a.jpg", ".DS_Store", "Thumbs.db")
    touch(image.parent, *names, "__MACOSX/._a.jpg", "__MACOSX/b.jpg")
    walk = find_images(image.parent)
    assert walk.images == [image]  # a folder that is named itself may be hidden
    assert [path.name for path in walk.hidden] == sorted(
        [".DS_Store", "._a.jpg", ".ipynb_checkpoints", "Thumbs.db", "__MACOSX"]
    )
    assert walk.left_out() == "5 hidden files or folders"
    assert is_hidden("THUMBS.DB") and not is_hidden("thumbs.jpg")


def test_linked_folders_are_walked_once_and_never_in_circles(tmp_path: Path) -> None:
    root = tmp_path / "root"
    own = touch(root, "z/own.jpg")
    touch(tmp_path / "far", "far.jpg", "deeper/deep.jpg")
    (root / "a").symlink_to(root / "z")  # sorted before the folder itself
    (root / "b").symlink_to(tmp_path / "far")
    (root / "c").symlink_to(tmp_path / "far")
    (root / "z" / "up").symlink_to(root)
    (tmp_path / "far" / "deeper" / "back").symlink_to(tmp_path / "far")
    walk = find_images(root)
    assert walk.images == [root / "b" / "deeper" / "deep.jpg", root / "b" / "far.jpg", *own]
    circle = root / "b" / "deeper" / "back"
    assert set(walk.repeated) == {root / "a", root / "c", root / "z" / "up", circle}
    assert walk.left_out() == "4 links to folders that are here already"


def test_linked_files_count_and_broken_links_are_unreadable(tmp_path: Path) -> None:
    (image,) = touch(tmp_path / "store", "5e1f")
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").symlink_to(image)
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    (folder / "self.jpg").symlink_to(folder / "self.jpg")
    os.mkfifo(folder / "pipe.png")
    walk = find_images(folder)
    assert walk.images == [folder / "a.jpg"]
    reasons = {path.name: reason for path, reason in walk.unreadable}
    assert set(reasons) == {"gone", "self.jpg", "pipe.png"}
    assert reasons["gone"] == "link to nothing" and reasons["pipe.png"] == "not a plain file"
    assert walk.left_out() == f"3 unreadable (such as {folder / 'gone'}: link to nothing)"


def test_closed_folders_and_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, closed, _ = touch(tmp_path, "a.jpg", "b.jpg", "shut/c.jpg")
    scan = os.scandir
    access = os.access

    def scan_all_but_shut(folder: Path) -> object:
        if folder.name == "shut":
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    # root may read anything, and the tests may run as root
    monkeypatch.setattr("gazeclip.images.walk.os.scandir", scan_all_but_shut)
    monkeypatch.setattr(
        "gazeclip.images.walk.os.access", lambda path, mode: path != closed and access(path, mode)
    )
    walk = find_images(tmp_path)
    assert walk.images == [image]
    denied = "Permission denied"
    assert walk.unreadable == [(closed, denied), (tmp_path / "shut", denied)]


def test_an_unreadable_root_is_told_too(tmp_path: Path) -> None:
    walk = find_images(tmp_path / "nowhere")
    assert walk.images == []
    assert walk.unreadable == [(tmp_path / "nowhere", "No such file or directory")]
