"""Credentials stand beside verdicts: in the table, in JSON and in CSV, and they change nothing."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gazeclip.errors import ConfigError, MissingDependencyError
from runtimes.cli import main
from runtimes.commands.beside import Beside
from runtimes.provenance.credentials import ABSENT, Credentials
from runtimes.provenance.reader import CredentialReader
from tests.runtimes.commands.processes import start_verify
from tests.runtimes.provenance.signing import Authority, sign

SOURCE_TYPES = {"real": "trainedAlgorithmicMedia", "fake": "digitalCapture"}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def pictures(authority: Authority, photos: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """Signed copies that say the contrary of what the model sees, and files without a signature."""
    found = {}
    for name, source_type in SOURCE_TYPES.items():
        stream = io.BytesIO()
        Image.open(photos[name]).save(stream, "JPEG")
        signer = authority.make_signer("A signer")
        found[name] = tmp_path / f"{name}.jpg"
        signed = sign(stream.getvalue(), signer, source_type=source_type)
        found[name].write_bytes(signed)
    changed = found["real"].read_bytes().replace(b"test camera", b"best camera")
    found["changed"] = tmp_path / "changed.jpg"
    found["changed"].write_bytes(changed)
    return found | {"unsure": photos["unsure"], "text": photos["text"]}


def run_json(
    paths: list[Path], bundle: Path, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, dict[str, Any]]:
    code = main(["verify", *map(str, paths), "--bundle", str(bundle), "--json", *options])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    for result in document["results"]:
        result.pop("timings_ms", None)
    return code, document


@pytest.mark.parametrize(
    ("names", "code", "states"),
    [
        (["real"], 0, ["valid"]),
        (["real", "fake", "changed"], 1, ["valid", "valid", "broken"]),
        (["real", "unsure"], 3, ["valid", "absent"]),
        (["fake", "text"], 2, ["valid", "unreadable"]),
    ],
)
def test_credentials_change_neither_verdicts_nor_the_exit_code(
    names: list[str],
    code: int,
    states: list[str],
    pictures: dict[str, Path],
    bundles: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = [pictures[name] for name in names]
    without = run_json(paths, bundles["onnx"], capsys)
    beside = run_json(paths, bundles["onnx"], capsys, "--provenance")
    found = [result.pop("provenance") for result in beside[1]["results"]]
    assert beside == without and beside[0] == code
    assert [entry["state"] for entry in found] == states


def test_the_table_has_one_more_column(
    pictures: dict[str, Path],
    bundles: dict[str, Path],
    authority: Authority,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(authority.pem)
    paths = [str(pictures[name]) for name in ("real", "changed", "unsure")]
    command = ["verify", *paths, "--bundle", str(bundles["onnx"])]
    assert main(command) == 3
    assert "credentials" not in capsys.readouterr().out
    assert main([*command, "--provenance", "--trust", str(anchors)]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("credentials")
    assert lines[1].endswith("  valid, trusted signer A signer, says AI-made")
    assert "  broken: claimSignature.mismatch" in lines[2]
    assert lines[3].endswith("  absent")


def test_csv_has_its_columns(
    pictures: dict[str, Path], bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(pictures[name]) for name in ("real", "fake", "unsure", "text")]
    command = ["verify", *paths, "--bundle", str(bundles["onnx"]), "--csv"]
    columns = ("provenance", "signer", "signer_trusted", "says_ai_made")
    assert main([*command, "--provenance"]) == 2
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [tuple(row[column] for column in columns) for row in rows] == [
        ("valid", "A signer", "", "yes"),
        ("valid", "A signer", "", "no"),
        ("absent", "", "", ""),
        ("unreadable", "", "", ""),
    ]
    assert main(command) == 2
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert not set(columns) & set(rows[0])


def test_what_cannot_be_done_is_said_before_anything_is_judged(
    pictures: dict[str, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = ["verify", str(pictures["real"]), "--bundle", str(bundles["onnx"])]
    with pytest.raises(ConfigError, match="--trust without --provenance"):
        main([*command, "--trust", str(tmp_path / "a.pem")])
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(MissingDependencyError, match=r"\[provenance\]"):
        main([*command, "--provenance"])
    assert main(command) == 0


def test_json_lines_have_what_json_has(
    pictures: dict[str, Path], bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [pictures[name] for name in ("real", "text")]
    _, document = run_json(paths, bundles["onnx"], capsys, "--provenance")
    command = ["verify", *map(str, paths), "--bundle", str(bundles["onnx"])]
    assert main([*command, "--jsonl", "--provenance"]) == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    beside = [line["provenance"] for line in lines]
    assert beside == [result["provenance"] for result in document["results"]]
    assert main([*command, "--jsonl"]) == 2
    assert "provenance" not in capsys.readouterr().out


def test_a_file_that_is_written_again_has_its_new_credentials(
    pictures: dict[str, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    """In place and under the same name, as a camera does; each time judged by one process."""
    folder = tmp_path / "incoming"
    folder.mkdir()
    file = folder / "camera.jpg"
    command = ("--watch", folder, "--provenance", "--bundle", bundles["onnx"], "--jsonl")
    found = []
    with start_verify(*command, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        while b"watching" not in process.stderr.readline():
            assert process.poll() is None
        for name in ("real", "changed", "fake"):
            file.write_bytes(pictures[name].read_bytes())
            row = json.loads(process.stdout.readline())
            found.append((row["verdict"], row["provenance"]["state"]))
            assert row["source"] == str(file)
        process.send_signal(signal.SIGINT)
    assert found == [("real", "valid"), ("real", "broken"), ("fake", "valid")]


def test_a_file_is_read_once_for_all_its_outcomes(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"first")
    asked = []

    class Reader(CredentialReader):
        def __init__(self) -> None:
            """Without the library."""

        def read(self, source: Any) -> Credentials:
            asked.append(Path(source).read_bytes())
            return Credentials(ABSENT)

    beside = Beside(Reader())
    for _ in range(3):
        beside.cells(str(file))
    assert asked == [b"first"]
    before = file.stat()
    file.write_bytes(b"other")  # as many bytes
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    beside.cells(str(file))
    beside.describe(str(file))
    assert asked == [b"first", b"other"]


def test_a_file_that_is_called_as_standard_input_is(
    pictures: dict[str, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = io.TextIOWrapper(io.BytesIO(pictures["unsure"].read_bytes()))
    monkeypatch.setattr(sys, "stdin", given)
    monkeypatch.chdir(tmp_path)
    Path("./-").write_bytes(pictures["real"].read_bytes())
    command = ["verify", "./-", "-", "--bundle", str(bundles["onnx"]), "--json", "--provenance"]
    assert main(command) == 3
    results = json.loads(capsys.readouterr().out)["results"]
    found = [(entry["source"], entry["provenance"]["state"]) for entry in results]
    assert found == [("./-", "valid"), ("-", "absent")]


def test_standard_input_is_read_once_for_both(
    pictures: dict[str, Path],
    bundles: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = io.TextIOWrapper(io.BytesIO(pictures["real"].read_bytes()))
    monkeypatch.setattr(sys, "stdin", given)
    code, document = run_json([Path("-")], bundles["onnx"], capsys, "--provenance")
    (result,) = document["results"]
    assert (code, result["verdict"], result["provenance"]["state"]) == (0, "real", "valid")
