"""`verify --crop face` in every form, and the order of the exit codes."""

from __future__ import annotations

import csv
import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazeclip.errors import FaceError, ImageError
from runtimes import Verifier, load
from runtimes.answers import Tally
from runtimes.cli import main
from runtimes.verifier import Outcome
from tests.runtimes.faces.pictures import draw_face, make_picture


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Photographs: `pair` with a bluish and a reddish face, `blue`, and one without a face."""
    folder = tmp_path_factory.mktemp("album")

    def tint(face: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
        share = np.array(colour, np.float32) / 255
        return Image.fromarray((np.asarray(face) * share).astype(np.uint8))

    swapped = Image.fromarray(np.asarray(draw_face(1, 300))[..., ::-1])  # skin is reddish
    blue = tint(swapped, (120, 190, 255))
    red = tint(draw_face(2, 224), (255, 130, 70))
    pictures = {name: make_picture() for name in ("pair", "blue", "empty")}
    pictures["pair"].paste(blue, (40, 60))
    pictures["pair"].paste(red, (560, 300))
    pictures["blue"].paste(blue, (300, 200))
    paths = {}
    for name, picture in pictures.items():
        paths[name] = folder / f"{name}.png"
        picture.save(paths[name])
    return paths


@pytest.fixture(scope="module")
def outcomes(bundles: dict[str, Path], photos: dict[str, Path]) -> dict[str, Outcome]:
    verifier: Verifier = load(bundles["onnx"], threads=1)
    found: dict[str, Outcome] = {
        name: verifier.verify(photos[name])[0] for name in ("real", "fake", "unsure")
    }
    found["faceless"] = FaceError("a.jpg: no face found", "no_face")
    found["unread"] = ImageError("a.jpg is damaged")
    return found


def test_the_order_of_exit_codes(outcomes: dict[str, Outcome]) -> None:
    order = ["unread", "fake", "faceless", "unsure", "real"]  # the first one there decides
    codes = [2, 1, 4, 3, 0]
    for count in range(1, 6):
        for names in itertools.combinations(order, count):
            tally = Tally()
            for name in reversed(names):
                tally.add(outcomes[name])
            assert tally.exit_code() == codes[order.index(names[0])], names
    assert Tally().exit_code() == 0


@pytest.mark.parametrize(
    ("names", "code"),
    [(["blue"], 0), (["blue", "empty"], 4), (["pair", "empty"], 1), (["pair", "missing"], 2)],
)
def test_json_of_faces(
    names: list[str],
    code: int,
    album: dict[str, Path],
    bundles: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = [str(album.get(name, Path("missing.png"))) for name in names]
    command = ["verify", *paths, "--bundle", str(bundles["onnx"]), "--crop", "face", "--json"]
    assert main([*command, "--threads", "1"]) == code
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["crop"] == "face" and document["schema"] == 2
    rows = document["results"]
    assert list(dict.fromkeys(row["source"] for row in rows)) == paths
    for row in rows:
        if "outcome" in row:
            assert (row["verdict"], row["outcome"]) == (None, "no_face") and row["remedy"]
            assert "error" not in row and "box" not in row
        elif "error" not in row:
            x0, y0, x1, y1 = row["box"]
            assert 0 <= x0 < x1 <= 900 and 0 <= y0 < y1 <= 700
            assert row["crop"][2] - row["crop"][0] == row["crop"][3] - row["crop"][1]
    if names[0] == "pair":
        assert [(row["face"], row["verdict"]) for row in rows[:2]] == [(1, "real"), (2, "fake")]
    summary = document["summary"]
    assert summary["no_usable_face"] == names.count("empty") == captured.err.count("no verdict: ")
    assert summary["error"] == names.count("missing") == captured.err.count("error: ")
    assert sum(summary.values()) == len(rows)


def test_table_and_csv_of_faces(
    album: dict[str, Path], bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(album[name]) for name in ("pair", "empty")]
    command = ["verify", *paths, "--bundle", str(bundles["onnx"]), "--crop", "face"]
    assert main([*command, "--csv"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["face"] for row in rows] == ["1", "2", ""]
    assert [row["outcome"] for row in rows] == ["", "", "no_face"]
    assert [len(row["box"].split()) for row in rows] == [4, 4, 0]
    assert rows[2]["verdict"] == "" and "no face found" in rows[2]["error"]
    assert main(command) == 1
    table = capsys.readouterr().out
    for row in rows[:2]:
        assert row["box"] in table
    assert "no_face" in table and "1 not judged" in table
    assert main(["verify", paths[0], "--bundle", str(bundles["onnx"])]) in (0, 1, 3)
    assert "box" not in capsys.readouterr().out  # whole images have none


def test_other_faces_that_are_not_judged_are_told_once(
    album: dict[str, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    picture = Image.open(album["pair"])
    picture.paste(draw_face(0, 300), (-130, 390))
    photo = tmp_path / "three.png"
    picture.save(photo)
    assert main(["verify", str(photo), "--bundle", str(bundles["onnx"]), "--crop", "face"]) == 1
    told = f"warning: {photo}: other faces that are not judged: cut_off\n"
    assert capsys.readouterr().err == told
