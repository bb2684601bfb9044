"""The command line: exit codes, JSON, CSV, one-line errors.

And that verification needs no training library.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from gazeclip.errors import ConfigError, MissingDependencyError, StageError
from runtimes.cli import main
from runtimes.commands.inputs import Inputs
from runtimes.recent import recent_bundle


def _run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    command = [sys.executable, "-m", "runtimes", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=cwd, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["real"], 0),
        (["real", "fake"], 1),
        (["real", "unsure"], 3),
        (["real", "fake", "unsure"], 1),
        (["unsure", "truncated"], 2),
        (["real", "truncated"], 2),
        (["fake", "empty", "text"], 2),
    ],
)
def test_exit_codes(
    names: list[str],
    code: int,
    bundles: dict[str, Path],
    photos: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (
        main(["verify", *(str(photos[name]) for name in names), "--bundle", str(bundles["onnx"])])
        == code
    )
    captured = capsys.readouterr()
    bad = [name for name in names if name in ("truncated", "empty", "text")]
    assert captured.err.count("error: ") == len(bad) == len(captured.err.splitlines())
    for name in names:
        assert str(photos[name]) in captured.out


def test_json(
    bundles: dict[str, Path], photos: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(photos[name]) for name in ("real", "text", "fake")]
    assert (
        main(
            ["verify", *paths, "--bundle", str(bundles["onnx"]), "--json", "--threshold", "fpr0.1"]
        )
        == 2
    )
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["schema"] == 2 and document["bundle"]["target"] == "onnx"
    assert document["operating_point"] == {
        "name": "fpr0.1",
        "fake_from": 5.5,
        "real_below": -1.0,
        "target_fpr": 0.001,
        "target_miss": 0.05,
        "fpr_bound": 0.00994,
        "miss_bound": 0.043,
        "n_real": 300,
        "n_fake": 140,
        "reliable": False,
    }
    assert "its 300 persons on real calibration images show no more than" in captured.err
    assert "below 0.99% (at least 2995 are needed)" in captured.err
    assert [entry["source"] for entry in document["results"]] == paths
    assert [entry["verdict"] for entry in document["results"]] == ["real", None, "inconclusive"]
    assert "not an image" in document["results"][1]["error"]
    assert document["summary"] == {"real": 1, "fake": 0, "inconclusive": 1, "error": 1}
    assert "embedding" not in document["results"][0]
    assert document["results"][0]["engine"].startswith("onnxruntime ")


def test_a_threshold_that_no_image_can_reach_is_told(
    bundles: dict[str, Path], photos: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["verify", str(photos["fake"]), "--bundle", str(bundles["onnx"])]
    # The fixture's evidence ends at 5.7 and at -6.
    assert main([*command, "--threshold", "0.5", "--prior", "0.001"]) == 0
    assert "no image can be fake: that takes an LLR of 6.91" in capsys.readouterr().err
    assert main([*command, "--threshold", "0.5", "--prior", "0.999"]) == 1
    assert "no image can be real: that takes an LLR below -6.91" in capsys.readouterr().err
    assert main([*command, "--threshold", "0.5", "--prior", "0.1"]) == 1
    assert capsys.readouterr().err == ""


def test_csv(
    bundles: dict[str, Path], photos: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(photos[name]) for name in ("fake", "empty")]
    assert main(["verify", *paths, "--bundle", str(bundles["openvino"]), "--csv"]) == 2
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["source"] for row in rows] == paths
    assert (
        rows[0]["verdict"] == "fake"
        and float(rows[0]["fake_probability"]) > 0.8
        and rows[0]["class"] == rows[0]["class"].strip() != ""
        and rows[0]["error"] == ""
    )
    assert rows[1]["verdict"] == "" and rows[1]["error"]


def test_folders_are_expanded_and_empty_ones_are_errors(
    photos: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("not an image by its name")
    folder = photos["text"].parent
    inputs = Inputs([str(folder), str(tmp_path)])
    names = ("empty.jpg", "text.jpg", "truncated.jpg")
    assert [image.source for image in inputs] == [folder / name for name in names]
    assert [
        (source, str(error)[: str(error).index(". ")]) for source, error in inputs.failures
    ] == [(str(tmp_path), f"{tmp_path} has no images")]


def test_what_a_folder_hides_is_said_and_what_cannot_be_read_exits_2(
    bundles: dict[str, Path],
    photos: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    inside, outside, closed = (
        tmp_path / "album",
        tmp_path / "elsewhere",
        tmp_path / "album" / "closed",
    )
    for folder in (inside / ".ipynb_checkpoints", outside, closed):
        folder.mkdir(parents=True)
        shutil.copy(photos["fake"], folder / "copy.png")
    shutil.copy(photos["real"], inside / "a.png")
    (inside / "._a.png").write_bytes(b"\0\5\x16\7AppleDouble")
    (inside / "linked").symlink_to(outside)
    scan = os.scandir

    def refuse_closed(folder: Path) -> object:
        if folder == closed:
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(
        "gazeclip.images.walk.os.scandir", refuse_closed
    )  # the tests may run as root
    assert main(["verify", str(inside), "--bundle", str(bundles["onnx"]), "--json"]) == 2
    captured = capsys.readouterr()
    results = [(entry["source"], entry["verdict"]) for entry in json.loads(captured.out)["results"]]
    assert results == [
        (str(inside / "a.png"), "real"),
        (str(inside / "linked" / "copy.png"), "fake"),
        (str(closed), None),
    ]
    told, error = captured.err.splitlines()
    assert told.startswith(
        f"{inside}: left out 2 hidden files or folders, 1 unreadable ({closed}: "
    )
    assert error.startswith(f"error: {closed} cannot be read (Permission denied)")


def test_frames_are_told_in_every_form(
    bundles: dict[str, Path],
    photos: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    animated = tmp_path / "photo.webp"
    real, fake = (Image.open(photos[name]).convert("RGB") for name in ("real", "fake"))
    real.save(animated, save_all=True, append_images=[fake, real] * 5 + [fake], lossless=True)
    command = ["verify", str(animated), str(photos["real"]), "--bundle", str(bundles["onnx"])]
    for form in ([], ["--json"], ["--csv"]):
        assert main(command + form) == 0
        captured = capsys.readouterr()
        assert captured.err == f"warning: {animated}: 12 frames, only the first is judged\n"
        if form == ["--json"]:
            assert [entry["frames"] for entry in json.loads(captured.out)["results"]] == [12, 1]
        elif form == ["--csv"]:
            rows = list(csv.DictReader(io.StringIO(captured.out)))
            assert [row["frames"] for row in rows] == ["12", "1"]
        else:
            assert f"{animated} (frame 1 of 12)" in captured.out
            assert captured.out.count("frame 1 of") == 1


def test_frames_on_request(
    bundles: dict[str, Path],
    photos: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    animated = tmp_path / "photo.webp"
    names = ["real", "fake", "real", "unsure"]
    first, *others = [Image.open(photos[name]).convert("RGB") for name in names]
    first.save(animated, save_all=True, append_images=others, lossless=True)
    still = str(photos["real"])
    command = ["verify", str(animated), still, "--bundle", str(bundles["onnx"])]

    # As the pictures by themselves are judged.
    assert main([*command[:1], *(str(photos[name]) for name in names), *command[3:], "--json"]) == 1
    alone = [entry["llr"] for entry in json.loads(capsys.readouterr().out)["results"]]
    assert main([*command, "--frames", "all", "--json", "--batch", "3"]) == 1
    captured = capsys.readouterr()
    results = json.loads(captured.out)["results"]
    assert captured.err == ""
    assert [entry["llr"] for entry in results] == pytest.approx([*alone, alone[0]], abs=1e-5)
    assert [entry["frame"] for entry in results] == [1, 2, 3, 4, 1]
    assert [entry["source"] for entry in results] == [str(animated)] * 4 + [still]

    assert main([*command, "--frames", "2", "--csv"]) == 1
    captured = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(captured.out)))
    assert [(row["frame"], row["frames"]) for row in rows] == [("1", "4"), ("2", "4"), ("1", "1")]
    assert [row["verdict"] for row in rows] == ["real", "fake", "real"]
    assert captured.err == f"warning: {animated}: 4 frames, only the first 2 are judged\n"

    assert main([*command, "--frames", "4"]) == 1
    assert f"{animated} (frame 4 of 4)" in capsys.readouterr().out


def test_faces_are_looked_for_where_the_bundle_knows_nothing_else(
    face_bundle: Path,
    bundles: dict[str, Path],
    photos: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask = ["verify", str(photos["real"]), "--json", "--bundle"]
    assert main([*ask, str(face_bundle)]) == 4
    found = json.loads(capsys.readouterr().out)
    assert found["crop"] == "face" and found["results"][0]["outcome"] == "no_face"
    assert main([*ask, str(bundles["onnx"])]) == 0
    assert json.loads(capsys.readouterr().out)["crop"] == "whole"
    assert main([*ask, str(face_bundle), "--crop", "whole"]) == 0
    assert json.loads(capsys.readouterr().out)["crop"] == "whole"
    # As with LiteRT alone: its bundle runs, but nothing that finds faces does.
    monkeypatch.setattr("runtimes.faces.network.is_installed", lambda name: False)
    with pytest.raises(MissingDependencyError, match=r"pip install .*openvino.*--crop whole"):
        main([*ask, str(face_bundle)])
    assert capsys.readouterr().out == ""
    assert main([*ask, str(face_bundle), "--crop", "whole"]) == 0


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "every", ""])
def test_numbers_of_frames_that_are_none(
    number: str, photos: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["verify", str(photos["real"]), f"--frames={number}"])
    assert caught.value.code == 2
    assert "is neither a number of at least 1 nor 'all'" in capsys.readouterr().err


def test_a_damaged_frame_is_an_error_beside_the_others(
    bundles: dict[str, Path],
    photos: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pages = tmp_path / "pages.tif"
    real = Image.open(photos["real"]).convert("RGB")
    real.save(pages, save_all=True, append_images=[real, real])
    os.truncate(pages, pages.stat().st_size - 100)
    names = [str(pages), str(photos["real"])]
    assert main(["verify", *names, "--bundle", str(bundles["onnx"]), "--frames=all", "--json"]) == 2
    captured = capsys.readouterr()
    results = json.loads(captured.out)["results"]
    assert [entry["verdict"] for entry in results] == ["real", "real", None, "real"]
    assert captured.err.startswith(f"error: {pages}, frame 3, is damaged")
    assert len(captured.err.splitlines()) == 1


def test_colours_that_were_converted_are_told(
    bundles: dict[str, Path],
    photos: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Red and blue change places: by its profile the blue picture (real) is a red one (fake).
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")
    photo = tmp_path / "photo.png"
    broken = tmp_path / "broken.png"
    with Image.open(photos["real"]) as real:
        real.save(photo, icc_profile=swapped)
        real.save(broken, icc_profile=b"none")
    names = [str(photo), str(broken), str(photos["real"])]
    assert main(["verify", *names, "--bundle", str(bundles["onnx"]), "--json"]) == 1
    captured = capsys.readouterr()
    notes = [
        "colours converted from 'sRGB built-in' to sRGB",
        "its colour profile cannot be used and is left out (colours are taken as sRGB)",
    ]
    assert captured.err.splitlines() == [
        f"warning: {photo}: {notes[0]}",
        f"warning: {broken}: {notes[1]}",
    ]
    results = json.loads(captured.out)["results"]
    assert [entry["note"] for entry in results] == [*notes, None]
    assert [entry["verdict"] for entry in results] == ["fake", "real", "real"]
    assert results[1]["llr"] == results[2]["llr"]


def test_a_large_image_is_judged_without_a_word_of_pillow(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    photo = tmp_path / "large.jpg"
    Image.new("RGB", (12_000, 9_000), (40, 90, 200)).save(photo)  # 108 megapixels
    done = _run("verify", photo, "--bundle", bundles["onnx"], "--threads", "1")
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_self_test_without_images(
    bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--self-test", "--bundle", str(bundles["tflite"])]) == 0
    assert "self-test passed: embedding" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="no images named"):
        main(["verify", "--bundle", str(bundles["tflite"])])


def test_most_recent_run(
    bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StageError, match="python -m gazeclip run"):
        recent_bundle()
    export = tmp_path / "runs" / "demo" / "export"
    export.mkdir(parents=True)
    (tmp_path / "runs" / "demo" / "recipe.yaml").write_text("{}")
    with pytest.raises(StageError, match="python -m gazeclip export --target all"):
        recent_bundle()
    for target in ("tflite", "onnx", "openvino"):
        (export / target).symlink_to(bundles[target])
        assert recent_bundle().name == target
    assert recent_bundle("onnxruntime").name == "onnx"
    with pytest.raises(ConfigError, match="unknown engine"):
        recent_bundle("tensorrt")
    with pytest.raises(StageError, match="no bundle for coreml"):
        recent_bundle("coreml")


def test_a_retired_or_half_made_bundle_is_never_the_recent_one(
    bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    export = tmp_path / "runs" / "demo" / "export"
    export.mkdir(parents=True)
    (tmp_path / "runs" / "demo" / "recipe.yaml").write_text("{}")
    for name in (".onnx.old", ".onnx.partial"):
        (export / name).symlink_to(bundles["onnx"])
    with pytest.raises(StageError, match="has no exported bundle"):
        recent_bundle()
    (export / "onnx").symlink_to(bundles["onnx"])
    assert recent_bundle().name == "onnx"


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


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["openvino", "onnxruntime", "litert", "coreml"]


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


def test_a_name_that_the_system_refuses_is_one_error_and_the_rest_is_judged(
    bundles: dict[str, Path],
    photos: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    closed = tmp_path / "closed" / "a.png"
    is_folder = Path.is_dir

    def refuse_closed(path: Path) -> bool:
        if path == closed:  # no permission stops root
            raise PermissionError(13, "Permission denied", str(path))
        return is_folder(path)

    monkeypatch.setattr(Path, "is_dir", refuse_closed)
    named = ["x" * 300, str(closed), str(photos["real"])]
    assert main(["verify", *named, "--bundle", str(bundles["onnx"]), "--json"]) == 2
    results = json.loads(capsys.readouterr().out)["results"]
    by_source = {entry["source"]: entry for entry in results}
    assert set(by_source) == set(named)
    assert by_source[str(photos["real"])]["verdict"] == "real"
    assert "cannot be read (Permission denied)" in by_source[str(closed)]["error"]
    assert "File name too long" in by_source["x" * 300]["error"]


def test_an_option_that_is_none_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["verify", "--\x1b[31mX.jpg"])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said and "--\\x1b[31mX.jpg" in said
