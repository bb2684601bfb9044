"""Outcomes written one by one: each form at once, and none kept but by the table."""

from __future__ import annotations

import csv
import gc
import io
import json
import os
import subprocess
import sys
import tracemalloc
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from gazeclip.errors import ConfigError, FaceError, ImageError
from runtimes import Verifier, load
from runtimes.answers import Tally
from runtimes.cli import main
from runtimes.commands.forms import CsvForm, Form, JsonForm, JsonLinesForm, TableForm, open_form
from runtimes.verifier import Outcome
from tests.runtimes.commands.processes import PATIENCE, start_verify

MANY = 600  # outcomes: memory that does not grow with them is less than 4 bytes for each
FORMS: dict[str, Callable[[io.StringIO], Form]] = {
    "csv": CsvForm,
    "json": lambda stream: JsonForm(stream, {"schema": 2}, embedding=True),
    "jsonl": lambda stream: JsonLinesForm(stream, embedding=True),
}


@pytest.fixture(scope="module")
def verifier(bundles: dict[str, Path]) -> Verifier:
    return load(bundles["onnx"], threads=1)


@pytest.fixture(scope="module")
def judged(verifier: Verifier, photos: dict[str, Path]) -> list[tuple[str, Outcome]]:
    fake, real = verifier.verify([photos["fake"], photos["real"]])
    return [
        ("a\nb.png", fake),
        ("none.png", ImageError("none.png is damaged", remedy="Get it again")),
        ("half\udcff.png", FaceError("half: no face found", "no_face", remedy="Look")),
        ("c.png", real),
    ]


def write(form: Form, judged: list[tuple[str, Outcome]], crop: str = "face") -> Tally:
    tally = Tally(crop)
    for source, outcome in judged:
        form.add(source, outcome)
        tally.add(outcome)
    form.close(tally)
    return tally


@pytest.mark.parametrize("count", [0, 1, 4])
def test_json_in_pieces_is_json_as_python_writes_it(
    count: int,
    judged: list[tuple[str, Outcome]],
    verifier: Verifier,
    capsys: pytest.CaptureFixture[str],
) -> None:
    args = Namespace(json=True, jsonl=False, csv=False, crop="face", embedding=False)
    point = verifier.bundle.operating_point("fpr1", 0.5)
    write(open_form(args, verifier, point), judged[:count])
    text = capsys.readouterr().out
    document = json.loads(text)
    assert text == json.dumps(document, indent=2) + "\n"
    assert next(iter(document)) == "schema" and list(document)[-2:] == ["results", "summary"]
    assert len(document["results"]) == count == sum(document["summary"].values())


def test_a_json_line_is_an_entry_of_json(
    bundles: dict[str, Path], photos: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(photos[name]) for name in ("fake", "text", "real")]
    command = ["verify", *names, "--bundle", str(bundles["onnx"]), "--embedding"]
    assert main([*command, "--json"]) == 2
    entries = json.loads(capsys.readouterr().out)["results"]
    assert main([*command, "--jsonl"]) == 2
    lines = capsys.readouterr().out.splitlines()
    found = [json.loads(line) for line in lines]
    for entry in (*entries, *found):
        entry.pop("timings_ms", None)
    assert found == entries and len(found) == 3 and "embedding" in found[0]


@pytest.mark.parametrize("form", [[], ["--csv"]])
def test_forms_without_a_place_for_the_embedding(
    form: list[str], bundles: dict[str, Path], photos: dict[str, Path]
) -> None:
    command = ["verify", str(photos["real"]), "--bundle", str(bundles["onnx"]), *form]
    with pytest.raises(ConfigError, match="--embedding without --json or --jsonl"):
        main([*command, "--embedding"])


@pytest.mark.parametrize("name", FORMS)
def test_an_outcome_is_written_when_it_is_added(
    name: str, judged: list[tuple[str, Outcome]]
) -> None:
    seen: list[int] = []

    class Stream(io.StringIO):
        def flush(self) -> None:
            seen.append(len(self.getvalue()))

    stream = Stream()
    form = FORMS[name](stream)
    for source, outcome in judged:
        before = len(stream.getvalue())
        form.add(source, outcome)
        assert seen[-1] == len(stream.getvalue()) > before


def test_lines_have_no_line_breaks_of_names(judged: list[tuple[str, Outcome]]) -> None:
    lines = io.StringIO()
    write(JsonLinesForm(lines, embedding=False), judged)
    sources = [json.loads(line)["source"] for line in lines.getvalue().splitlines()]
    assert sources[1:3] == ["none.png", "half\\xff.png"]
    rows = io.StringIO()
    write(CsvForm(rows), judged)
    table = list(csv.DictReader(io.StringIO(rows.getvalue())))
    assert [row["outcome"] for row in table] == ["", "", "no_face", ""]
    assert len(rows.getvalue().splitlines()) == 5


class _Nowhere(io.StringIO):
    def write(self, text: str) -> int:
        return len(text)


def measure_growth(form: Form, outcome: Outcome, count: int) -> int:
    """Bytes that are held after `count` more outcomes."""
    form.add("a.png", outcome)
    tracemalloc.start()
    for number in range(count):
        form.add(f"{number}.png", outcome)
    gc.collect()  # the encoder of indented JSON leaves circles
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held


@pytest.mark.parametrize("name", FORMS)
def test_memory_does_not_grow_with_the_outcomes(
    name: str, judged: list[tuple[str, Outcome]]
) -> None:
    assert measure_growth(FORMS[name](_Nowhere()), judged[0][1], MANY) < 4 * MANY


def test_memory_that_grows_would_be_seen(judged: list[tuple[str, Outcome]]) -> None:
    """As that of a table does, whose columns are as wide as its widest row."""
    assert measure_growth(TableForm(_Nowhere(), False), judged[0][1], MANY) > 100 * MANY


def test_the_first_line_is_there_before_the_second_image(
    bundles: dict[str, Path], photos: dict[str, Path], tmp_path: Path
) -> None:
    pipe = tmp_path / "late.png"
    os.mkfifo(pipe)
    command = (photos["real"], pipe, "--bundle", bundles["onnx"], "--jsonl", "--batch", "1")
    with start_verify(*command) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())  # while nobody has opened the pipe
        pipe.write_bytes(photos["fake"].read_bytes())
        second = json.loads(process.stdout.readline())
    assert (first["verdict"], second["verdict"], process.returncode) == ("real", "fake", 1)


@pytest.mark.parametrize("form", ["--jsonl", "--csv", "--json"])
def test_a_reader_that_goes_away_ends_it_quietly(
    form: str, bundles: dict[str, Path], photos: dict[str, Path]
) -> None:
    images = [photos["real"]] * 300
    command = (*images, "--bundle", bundles["onnx"], form, "--batch", "1")
    with start_verify(*command, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_bar_on_the_terminal_leaves_standard_output_alone(
    bundles: dict[str, Path], photos: dict[str, Path]
) -> None:
    pytest.importorskip("rich")
    leader, follower = os.openpty()
    command = (*[photos["real"]] * 40, photos["text"], "--bundle", bundles["onnx"], "--csv")
    with start_verify(*command, stderr=follower) as process:
        os.close(follower)
        rows, _ = process.communicate(timeout=PATIENCE)
    shown = b""
    while part := _read_terminal(leader):
        shown += part
    os.close(leader)
    assert len(rows.splitlines()) == 42 and b"\x1b" not in rows
    assert b"images/s" in shown and b"41/41" in shown and b"error: " in shown
    assert process.returncode == 2


def _read_terminal(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:  # nobody has it open any more
        return b""
