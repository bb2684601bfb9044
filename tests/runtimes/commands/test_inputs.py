"""What a command line may name: folders, lists, standard input; each looked at when it is due."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from gazeclip.errors import ConfigError
from gazeclip.images.source import NamedBytes
from gazeclip.images.walk import ImageWalk, walk_images
from runtimes.cli import main
from runtimes.commands.inputs import Inputs
from runtimes.commands.name_lists import read_names
from tests.runtimes.commands.processes import PATIENCE, start_verify


def give_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    stream = SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", stream)


def test_an_image_on_standard_input(bundles: dict[str, Path], photos: dict[str, Path]) -> None:
    for name, code in (("fake", 1), ("real", 0)):
        command = ("-", photos[name], "--bundle", bundles["onnx"], "--jsonl")
        with start_verify(*command, stdin=subprocess.PIPE) as process:
            out, _ = process.communicate(photos[name].read_bytes(), timeout=PATIENCE)
        rows = [json.loads(line) for line in out.splitlines()]
        assert [row["source"] for row in rows] == ["-", str(photos[name])]
        assert [row["verdict"] for row in rows] == [name] * 2 and process.returncode == code


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "standard input is empty"), (b"no image", "standard input is not an image")],
)
def test_standard_input_without_an_image_is_one_error(
    data: bytes,
    words: str,
    bundles: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give_stdin(monkeypatch, data)
    assert main(["verify", "-", "--bundle", str(bundles["onnx"]), "--json"]) == 2
    captured = capsys.readouterr()
    (row,) = json.loads(captured.out)["results"]
    assert row["source"] == "-" and row["error"].startswith(words)
    assert captured.err.startswith(f"error: {words}") and captured.err.count("\n") == 1


def test_too_much_on_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gazeclip.images.source.MAX_BYTES", 1000)
    give_stdin(monkeypatch, bytes(1001))
    inputs = Inputs(["-"])
    assert list(inputs) == []
    ((name, error),) = inputs.failures
    assert name == "-" and str(error).startswith("standard input has more than")
    give_stdin(monkeypatch, bytes(1000))
    ((_, source),) = Inputs(["-"])
    assert isinstance(source, NamedBytes) and source == bytes(1000)


def test_standard_input_is_no_file_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("./-").write_bytes(b"a file")
    assert [tuple(image) for image in Inputs(["./-"])] == [("./-", Path("-"))]


def test_standard_input_is_read_once_and_from_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for named, lists in ((["-", "-"], []), (["-"], ["-"]), ([], ["-", "-"])):
        with pytest.raises(ConfigError, match="named twice"):
            Inputs(named, lists)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(ConfigError, match="is a terminal"):
        Inputs(["-"])


def test_lists_name_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    album = tmp_path / "album"
    album.mkdir()
    for name in ("b.png", "a.png", "line\nbreak.png"):
        (album / name).write_bytes(b"")
    lines = tmp_path / "lines.txt"
    lines.write_bytes(f"{album}\r\n\n{tmp_path}/x.png\n{tmp_path}/last.png".encode())
    found = [image.name for image in Inputs(["first.png"], [str(lines)])]
    inside = [str(album / name) for name in ("a.png", "b.png", "line\nbreak.png")]
    assert found == ["first.png", *inside, f"{tmp_path}/x.png", f"{tmp_path}/last.png"]
    give_stdin(monkeypatch, b"\0".join([os.fsencode(inside[2]), b"\xff.png", b""]))
    named = [image.name for image in Inputs([], ["-"], null=True)]
    assert named == [inside[2], "\udcff.png"]
    assert Inputs(["a"]).count() == 1 and Inputs([str(album), "a"]).count() == 4
    assert Inputs([], [str(lines)]).count() is None


@pytest.mark.parametrize("data", [b"", b"\n\r\n\n"])
def test_a_list_that_names_nothing_is_no_clean_verdict(
    data: bytes,
    bundles: dict[str, Path],
    photos: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after `find` in the wrong folder; also beside images that are all real."""
    give_stdin(monkeypatch, data)
    command = ["verify", "--bundle", str(bundles["onnx"]), "--json", "--files-from"]
    assert main([*command, "-"]) == 2
    told = capsys.readouterr()
    (row,) = json.loads(told.out)["results"]
    assert (row["source"], row["verdict"]) == ("-", None)
    assert row["error"] == "the list on standard input names no image"
    assert told.err.count("\n") == 1
    empty = tmp_path / "empty.txt"
    empty.write_bytes(data)
    whole = tmp_path / "whole.txt"
    whole.write_text(str(photos["real"]))
    assert main([*command, str(whole)]) == 0
    capsys.readouterr()
    assert main([*command, str(whole), "--files-from", str(empty)]) == 2
    judged, missed = json.loads(capsys.readouterr().out)["results"]
    assert judged["verdict"] == "real" and missed["source"] == str(empty)


def test_a_list_is_read_when_it_is_due(bundles: dict[str, Path], photos: dict[str, Path]) -> None:
    command = ("--files-from", "-", "--bundle", bundles["onnx"], "--jsonl", "--batch", "1")
    with start_verify(*command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        for name in ("real", "fake"):
            process.stdin.write(os.fsencode(photos[name]) + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["verdict"] == name
    assert process.returncode == 1


def test_lists_that_are_none(tmp_path: Path) -> None:
    for file in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            Inputs(["a.png"], [str(file)])  # before anything is judged
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    Inputs([], [str(pipe)])  # would wait for a writer if it were opened
    noise = tmp_path / "noise"
    noise.write_bytes(bytes(range(11, 256)) * 300)
    with pytest.raises(ConfigError, match="is no list of names"):
        list(read_names(str(noise), null=False))


def test_what_was_judged_before_an_error_is_printed(
    bundles: dict[str, Path],
    photos: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    noise = tmp_path / "noise"
    noise.write_bytes(b"x" * 100_000)
    command = ["verify", str(photos["fake"]), "--files-from", str(noise), "--batch", "1"]
    with pytest.raises(ConfigError, match="is no list of names"):
        main([*command, "--bundle", str(bundles["onnx"])])
    out = capsys.readouterr().out
    assert str(photos["fake"]) in out and "0 real, 1 fake" in out


class _Entry:
    def __init__(self, number: int) -> None:
        self.name = f"{number:06}.jpg"


class _Scan:
    """A folder with more files than anybody would make for a test."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __enter__(self) -> Iterator[_Entry]:
        return (_Entry(number) for number in range(self._count))

    def __exit__(self, *_: object) -> None:
        pass


def test_images_of_a_folder_are_given_one_by_one_and_none_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 5000
    file = tmp_path / "a.jpg"
    file.write_bytes(b"")
    found = file.stat()
    monkeypatch.setattr("gazeclip.images.walk.os.scandir", lambda _: _Scan(count))
    monkeypatch.setattr("gazeclip.images.walk.os.access", lambda *_: True)
    monkeypatch.setattr(Path, "stat", lambda *_, **__: found)
    images = walk_images(ImageWalk(tmp_path))
    tracemalloc.start()
    first = next(images)
    assert first.name == "000000.jpg"
    number = 1 + sum(1 for _ in images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A name takes about 70 bytes; a path with its parts, as a list of them would hold, 400.
    assert number == count and peak < 150 * count
