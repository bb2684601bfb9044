"""The command line: exit codes, JSON, CSV, what is told, and one-line errors."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from gazeclip.errors import ConfigError, MissingDependencyError
from runtimes.cli import main
from runtimes.commands.inputs import Inputs


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


def test_self_test_without_images(
    bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--self-test", "--bundle", str(bundles["tflite"])]) == 0
    assert "self-test passed: embedding" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="no images named"):
        main(["verify", "--bundle", str(bundles["tflite"])])


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["openvino", "onnxruntime", "litert", "coreml"]


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
