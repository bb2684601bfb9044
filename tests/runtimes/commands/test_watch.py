"""A watched folder: each image once, when it is complete; and a clean end."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from gazeclip.errors import ConfigError, ImageError
from runtimes.answers import Tally
from runtimes.cli import main
from runtimes.commands import watch
from runtimes.commands.forms import JsonLinesForm
from runtimes.commands.inputs import Inputs
from runtimes.commands.session import Session
from runtimes.commands.watch import SETTLED_AFTER_S, Stop, Watch
from runtimes.remarks import Remarks
from tests.runtimes.commands.processes import start_verify


class Clock:
    now = 100.0

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watch.time, "monotonic", lambda: clock.now)
    return clock


def find_names(watched: Watch) -> list[str]:
    return [item.path.name for item in watched.find_due()]


def test_what_is_there_is_not_due_and_what_comes_is_due_once(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "old.png").write_bytes(b"old")
    watched = Watch(tmp_path)
    (tmp_path / "new.png").write_bytes(b"new")
    (tmp_path / "notes.txt").write_bytes(b"no image")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.jpg").write_bytes(b"deep")
    assert find_names(watched) == []  # seen for the first time
    clock.pass_(SETTLED_AFTER_S / 2)
    assert find_names(watched) == []
    clock.pass_(SETTLED_AFTER_S / 2)
    assert find_names(watched) == ["b.jpg", "new.png"]
    clock.pass_(10 * SETTLED_AFTER_S)
    assert find_names(watched) == []


@pytest.mark.parametrize("is_absolute", [True, False])
def test_what_is_judged_at_the_start_is_not_due_unless_it_changes(
    is_absolute: bool, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    watched = Watch(Path(tmp_path.name))
    for name in ("a.png", "b.png"):  # they come after the watch began
        (tmp_path / name).write_bytes(b"new")
    inputs = Inputs([str(tmp_path) if is_absolute else tmp_path.name, "elsewhere.png"])
    judged = [Path(image.name).name for image in watched.leave_out(inputs)]
    assert judged == ["a.png", "b.png", "elsewhere.png"]
    (tmp_path / "b.png").write_bytes(b"and more")
    (tmp_path / "c.png").write_bytes(b"new")
    assert find_names(watched) == []
    clock.pass_(SETTLED_AFTER_S)
    assert find_names(watched) == ["b.png", "c.png"]


def test_the_first_pass_tells_the_watch_what_it_judged(tmp_path: Path, clock: Clock) -> None:
    watched = Watch(tmp_path)
    (tmp_path / "new.png").write_bytes(b"new")
    form = JsonLinesForm(io.StringIO(), embedding=False)
    session = Session(
        lambda sources: ((number, ImageError("bad")) for number, _ in enumerate(sources)),
        form,
        Tally(),
        Remarks(1),
    )
    session.work_off(Inputs([str(tmp_path)]), Stop(), watched)
    assert session.tally.total() == 1 and find_names(watched) == []
    clock.pass_(SETTLED_AFTER_S)
    assert find_names(watched) == []


def test_a_file_that_grows_is_not_due_until_it_rests(tmp_path: Path, clock: Clock) -> None:
    watched = Watch(tmp_path)
    file = tmp_path / "slow.png"
    for size in range(5):
        file.write_bytes(bytes(size))
        assert find_names(watched) == []
        clock.pass_(SETTLED_AFTER_S)
    assert find_names(watched) == ["slow.png"]  # as it was a second before


def test_an_empty_file_is_none_yet(tmp_path: Path, clock: Clock) -> None:
    watched = Watch(tmp_path)
    (tmp_path / "a.png").touch()
    for _ in range(3):
        assert find_names(watched) == []
        clock.pass_(SETTLED_AFTER_S)


def test_what_changes_or_comes_again_is_due_again(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "camera.jpg"
    file.write_bytes(b"first")
    watched = Watch(tmp_path)
    for data in (b"other", b"longer than that"):
        other = tmp_path / "new.partial"
        other.write_bytes(data)
        other.replace(file)  # renamed in
        assert find_names(watched) == []
        clock.pass_(SETTLED_AFTER_S)
        assert find_names(watched) == ["camera.jpg"]
    file.unlink()
    assert find_names(watched) == []
    assert watched._seen == {}  # what is gone is not remembered
    file.write_bytes(b"again")
    assert find_names(watched) == []
    clock.pass_(SETTLED_AFTER_S)
    assert find_names(watched) == ["camera.jpg"]


def test_what_cannot_be_read_is_due_with_its_reason_and_never_opened(
    tmp_path: Path, clock: Clock
) -> None:
    watched = Watch(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere")
    assert watched.find_due() == []
    clock.pass_(SETTLED_AFTER_S)
    reasons = {item.path.name: item.reason for item in watched.find_due()}
    assert reasons == {"pipe.png": "not a plain file", "lost.png": "link to nothing"}
    clock.pass_(SETTLED_AFTER_S)
    assert watched.find_due() == []


def test_a_drive_that_is_away_for_a_while_brings_nothing_new(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "drive"
    folder.mkdir()
    (folder / "old.png").write_bytes(b"old")
    watched = Watch(folder)
    folder.rename(tmp_path / "away")
    assert watched.find_due() == []
    (tmp_path / "away").rename(folder)
    for _ in range(3):
        assert watched.find_due() == []
        clock.pass_(SETTLED_AFTER_S)


def test_there_must_be_a_folder_and_no_copies_in_it(
    tmp_path: Path, bundles: dict[str, Path]
) -> None:
    bundle = ["--bundle", str(bundles["onnx"])]
    with pytest.raises(ConfigError, match="there is no folder"):
        main(["verify", "--watch", str(tmp_path / "none"), *bundle])
    with pytest.raises(ConfigError, match="whose images are judged"):
        main(["verify", "--watch", str(tmp_path), "--save", str(tmp_path / "copies"), *bundle])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_watch_ends_cleanly_on_a_signal(
    number: signal.Signals, bundles: dict[str, Path], photos: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(photos["fake"], folder / "before.png")
    command = (photos["real"], "--watch", folder, "--bundle", bundles["onnx"], "--json")
    with start_verify(*command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None and process.stdout is not None
        assert process.stderr.readline().startswith(b"watching ")
        halves = photos["unsure"].read_bytes()
        with (folder / "slow.png").open("wb") as file:  # in two pieces, a look in between
            file.write(halves[:100])
            file.flush()
            time.sleep(1.5 * watch.LOOK_EVERY_S)
            file.write(halves[100:])
        out = b""
        while b"slow.png" not in out:
            out += process.stdout.readline()
        process.send_signal(number)
        out += process.stdout.read()
        said = process.stderr.read()
    document = json.loads(out)
    found = [(Path(str(row["source"])).name, row["verdict"]) for row in document["results"]]
    assert found == [("real.png", "real"), ("slow.png", "inconclusive")]
    assert document["summary"] == {"real": 1, "fake": 0, "inconclusive": 1, "error": 0}
    assert (process.returncode, said) == (3, b"")


def test_lines_for_people_and_copies(
    bundles: dict[str, Path], photos: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    command = ("--watch", folder, "--save", tmp_path / "out", "--bundle", bundles["onnx"])
    with start_verify(*command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None and process.stdout is not None
        process.stderr.readline()
        for name in ("real", "fake"):  # each comes after the one before was judged
            shutil.copy(photos[name], folder / f"{name}.png")
            line = process.stdout.readline().decode()
            assert line.split()[0] == name and line.endswith(f"{folder / name}.png\n")
        process.send_signal(signal.SIGINT)
        out = process.stdout.read()
        said = process.stderr.read()
    assert out.decode() == "1 real, 1 fake, 0 inconclusive, 0 not judged\n"
    assert said.decode() == f"annotated copies in {tmp_path / 'out'}: 2\n"
    assert len(list((tmp_path / "out").iterdir())) == 2 and process.returncode == 1
