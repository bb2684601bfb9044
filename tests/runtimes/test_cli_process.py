"""The command line as a process: its streams, its one-line errors, and what it imports."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image


def _run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    command = [sys.executable, "-m", "runtimes", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=cwd, timeout=60, check=False
    )


def test_a_large_image_is_judged_without_a_word_of_pillow(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    photo = tmp_path / "large.jpg"
    Image.new("RGB", (10_000, 9_000), (40, 90, 200)).save(photo)  # Pillow warns from 89 megapixels
    done = _run("verify", photo, "--bundle", bundles["onnx"], "--threads", "1")
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_process_prints_one_line_and_exits_2(photos: dict[str, Path], tmp_path: Path) -> None:
    done = _run("verify", photos["real"], cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: no run under") and len(done.stderr.splitlines()) == 1
    assert "Traceback" in _run("verify", photos["real"], "--debug", cwd=tmp_path).stderr


def test_a_damaged_image_is_one_line_whatever_pillow_logs(
    bundles: dict[str, Path], photos: dict[str, Path], tmp_path: Path
) -> None:
    photo = tmp_path / "photo.tif"
    Image.open(photos["real"]).convert("RGB").save(photo)
    data = photo.read_bytes()
    samples = struct.pack("<HHI", 277, 3, 1)  # the tag for samples per pixel
    assert data.count(samples) == 1
    place = data.index(samples) + len(samples)
    photo.write_bytes(data[:place] + struct.pack("<H", 2048) + data[place + 2 :])
    done = _run("verify", photo, "--bundle", bundles["onnx"], "--threads", "1")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"error: {photo} is damaged"), done.stderr


def test_process_judges_without_any_training_library(
    bundles: dict[str, Path], photos: dict[str, Path]
) -> None:
    code = (
        "import sys; from runtimes import load; "
        "print([load(b, threads=1).verify(sys.argv[1])[0].verdict for b in sys.argv[2:]]); "
        "heavy = {'torch', 'timm', 'nncf', 'torchvision', 'open_clip', 'onnx'}; "
        "heavy |= {'sklearn', 'scipy', 'jax', 'rich', 'yaml'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(photos["fake"]), *map(str, bundles.values())],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == ["['fake', 'fake', 'fake']", "[]"], done.stderr


@pytest.fixture
def awkward(photos: dict[str, Path], tmp_path: Path) -> list[bytes]:
    """The same real face under names that no terminal, no encoding or no line takes as they are."""
    names = ["顔写真.png".encode(), b"\xff\xfe.png", "a\x1b[31mred\nnext\u202e.png".encode()]
    for name in names:
        try:
            (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_bytes(
                photos["real"].read_bytes()
            )
        except OSError:
            pytest.skip("this file system takes no such name")
    return names


# The command for each form in one process, as starting a process takes longest.
WRITE_ALL_FORMS = """
import sys
from gazeclip.cli.guard import guard
from runtimes.__main__ import main

def write_all(argv):
    codes = set()
    for form in ([], ["--csv"], ["--json"]):
        codes.add(main(["verify", *argv, *form]))
        print("<end>")
    (code,) = codes
    return code

guard(write_all)
"""


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "ascii"])
def test_awkward_names_are_judged_and_escaped(
    encoding: str, awkward: list[bytes], bundles: dict[str, Path], tmp_path: Path
) -> None:
    named = [*awkward, b"lost\x1b\xff.png", "--bundle", str(bundles["onnx"])]
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PYTHONIOENCODING": f"{encoding}:strict",
    }
    done = subprocess.run(
        [sys.executable, "-c", WRITE_ALL_FORMS, *named],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2  # only because of the image that is not there
    errors = done.stderr.decode("ascii").splitlines()
    assert len(errors) == 3
    assert all(line.startswith("error: lost\\x1b\\xff.png does not exist") for line in errors)
    output = done.stdout.decode(encoding)
    assert not any(sign in output for sign in ("\x1b", "\u202e", "\udcff"))
    table, rows, document, rest = output.replace(os.linesep, "\n").split("<end>\n")
    assert rest == ""
    assert [entry["source"] for entry in json.loads(document)["results"]] == [
        "顔写真.png",
        "\\xff\\xfe.png",
        "a\x1b[31mred\nnext\u202e.png",
        "lost\x1b\\xff.png",
    ]
    for text, lines in ((table, 6), (rows, 5)):
        assert "\\xff\\xfe.png" in text and "a\\x1b[31mred\\nnext\\u202e.png" in text
        assert ("顔写真.png" if encoding == "utf-8" else "\\u9854\\u5199\\u771f.png") in text
        assert text.count("\n") == lines
