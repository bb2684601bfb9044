"""The peers' files: made by a process of its own, kept, and made again for other packages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks.peers import files
from gazeclip.errors import StageError

FORMS = ("onnx-fp32", "tflite-fp32")


@pytest.fixture(autouse=True)
def use_fake_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CONVERTER", "tests.benchmarks.peers.fake_converter")
    monkeypatch.setattr(files, "_ROOM_MB", 1)


def list_starts(root: Path) -> list[str]:
    return (root / "starts.txt").read_text().splitlines()


def test_files_are_made_once_and_reasons_are_kept(tmp_path: Path) -> None:
    for _ in range(2):
        found = files.prepare_files({"Peer 1/2": FORMS}, tmp_path)
        assert found["Peer 1/2", "onnx-fp32"].size_mb == pytest.approx(0.002)
        assert found["Peer 1/2", "tflite-fp32"].path is None
        assert found["Peer 1/2", "tflite-fp32"].reason == "ValueError: odd"
    assert list_starts(tmp_path) == ["Peer 1/2: onnx-fp32 tflite-fp32"]
    files.prepare_files({"Peer 1/2": (*FORMS, "openvino-fp32")}, tmp_path)
    assert list_starts(tmp_path)[1:] == ["Peer 1/2: openvino-fp32"]


def test_other_packages_make_them_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.prepare_files({"one": FORMS}, tmp_path)
    monkeypatch.setattr(files, "read_versions", lambda: {"torch": "99"})
    files.prepare_files({"one": FORMS}, tmp_path)
    assert len(list_starts(tmp_path)) == 2


def test_a_killed_conversion_is_a_reason_and_is_tried_again(tmp_path: Path) -> None:
    for _ in range(2):
        found = files.prepare_files({"dies": FORMS}, tmp_path)
        assert found["dies", "onnx-fp32"].reason == "the conversion was ended by signal 9"
    assert len(list_starts(tmp_path)) == 2


def test_a_conversion_that_takes_too_long_is_not_waited_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CONVERSION_SECONDS", 2)
    wanted = {"sleeps": ("onnx-fp32", "openvino-fp32", "tflite-fp32")}
    found = files.prepare_files(wanted, tmp_path)
    assert found["sleeps", "onnx-fp32"].path is not None
    reason = "it took more than 2 s"
    assert found["sleeps", "openvino-fp32"].reason == reason
    again = files.prepare_files(wanted, tmp_path)
    assert again["sleeps", "openvino-fp32"].reason == reason
    assert again["sleeps", "tflite-fp32"].reason == "ValueError: odd"
    assert list_starts(tmp_path)[1:] == ["sleeps: tflite-fp32"]


def test_too_little_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.prepare_files({"one": FORMS}, tmp_path)
    monkeypatch.setattr(files, "_ROOM_MB", 10**9)
    files.check_room({"one": FORMS}, tmp_path)  # nothing is to be made
    with pytest.raises(StageError, match="MB left"):
        files.check_room({"one": FORMS, "two": FORMS}, tmp_path)
    # Where the room goes meanwhile, what is there is used nevertheless.
    found = files.prepare_files({"two": FORMS, "one": FORMS}, tmp_path)
    assert "MB left" in found["two", "onnx-fp32"].reason
    assert found["one", "onnx-fp32"].path is not None


def test_other_code_behind_a_file_makes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = files.PEERS[0].name
    before = {name: files._describe_makers(name) for name in (peer, "student")}
    given = files.hash_source

    def hash_changed(packages: Iterable[str]) -> str:
        return given(packages) + ("changed" if "export" in packages else "")

    monkeypatch.setattr(files, "hash_source", hash_changed)
    assert files._describe_makers("student") != before["student"]
    assert files._describe_makers(peer) == before[peer]  # no peer goes through the export
