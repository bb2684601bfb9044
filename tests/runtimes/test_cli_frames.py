"""The command line and files of several frames: how many are judged, and what is told of them."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from runtimes.cli import main


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
