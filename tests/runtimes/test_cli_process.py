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
    Image.new("RGB", (12_000, 9_000), (40, 90, 200)).save(photo)  # 108 megapixels
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
        "heavy |= {'sklearn', 'scipy', 'jax', 'rich'}; "
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


@pytest.mark.parametrize("encoding", ["cp1252:strict", "utf-8:strict", "ascii:strict"])
@pytest.mark.parametrize("form", ["table", "--csv", "--json"])
def test_awkward_names_are_judged_and_escaped(
    form: str, encoding: str, awkward: list[bytes], bundles: dict[str, Path], tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "runtimes",
        "verify",
        *awkward,
        b"lost\x1b\xff.png",
        "--bundle",
        str(bundles["onnx"]),
    ]
    command += [form] if form != "table" else []
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PYTHONIOENCODING": encoding,
    }
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 2  # only because of the image that is not there
    assert done.stderr.decode("ascii").startswith("error: lost\\x1b\\xff.png does not exist")
    text = done.stdout.decode(encoding.partition(":")[0])
    assert not any(sign in text for sign in ("\x1b", "\u202e", "\udcff"))
    if form == "--json":
        found = [entry["source"] for entry in json.loads(text)["results"]]
        assert found == [
            "顔写真.png",
            "\\xff\\xfe.png",
            "a\x1b[31mred\nnext\u202e.png",
            "lost\x1b\\xff.png",
        ]
        return
    assert "\\xff\\xfe.png" in text and "a\\x1b[31mred\\nnext\\u202e.png" in text
    assert ("顔写真.png" if encoding.startswith("utf-8") else "\\u9854\\u5199\\u771f.png") in text
    assert text.count("\n") == (5 if form == "--csv" else 6)
