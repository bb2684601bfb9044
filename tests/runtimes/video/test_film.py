"""Films to verdicts, in Python and on the command line: tracks, forms, exit codes, folders."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gazeclip.errors import ConfigError, FaceError, ImageError
from runtimes import Verdict, Verifier, load
from runtimes.cli import main
from runtimes.verifier import Asked
from runtimes.video import kinds
from runtimes.video.sample import Sampler, Sampling
from tests.runtimes.faces.pictures import draw_face
from tests.runtimes.video.films import (
    RATE,
    count_up,
    draw_tinted_face,
    paste_faces,
    require_av,
    write_film,
)

require_av()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`pair`: a bluish face through five seconds, a reddish one in the last three of them."""
    folder = tmp_path_factory.mktemp("films")
    blue = draw_tinted_face(1, 160, red=False)
    red = draw_tinted_face(2, 150, red=True)
    pair = []
    for number in range(5 * RATE):
        faces = [(blue, (20 + number, 100))]
        if number >= 2 * RATE:
            faces.append((red, (300 - number, 170)))
        pair.append(paste_faces(faces))
    calm = [paste_faces([(blue, (150 + number, 90))]) for number in range(2 * RATE)]
    half = [paste_faces([(draw_face(0, 260), (-113, 60))])] * RATE
    return {
        "pair": write_film(folder / "pair.mp4", pair),
        "blue": write_film(folder / "blue.webm", calm, "libvpx-vp9"),
        "empty": write_film(folder / "empty.avi", [paste_faces([])] * RATE, "mpeg4"),
        "half": write_film(folder / "half.mp4", half),
    }


@pytest.fixture(scope="module")
def verifier(bundles: dict[str, Path]) -> Verifier:
    return load(bundles["onnx"], threads=1)


def test_each_face_has_one_verdict_and_the_worst_is_first(
    verifier: Verifier, films: dict[str, Path]
) -> None:
    red, blue = verifier.verify(films["pair"], crop="face", batch=3)
    assert (red.verdict, blue.verdict) == ("fake", "real")
    assert red.track is not None and blue.track is not None
    assert (red.track.number, red.track.frames, red.track.from_s) == (1, 3, 2.0)
    assert (blue.track.number, blue.track.frames, blue.track.to_s) == (2, 5, 4.0)
    assert red.track.film.tracks == 2 and red.track.film.frames == 5
    for verdict in (red, blue):
        assert verdict.track is not None
        moments = [moment.llr for moment in verdict.track.moments]
        assert verdict.llr == pytest.approx(np.mean(moments))
        for moment in verdict.track.moments:  # the face goes 10 pixels to its side in a second
            assert moment.box is not None
            left = 20 + 10 * moment.time_s if verdict is blue else 300 - 10 * moment.time_s
            assert left < moment.box[0] < moment.box[2] < left + 160


def test_frames_have_the_verdicts_of_photographs(verifier: Verifier, tmp_path: Path) -> None:
    """What a film's frame is judged to be is what its picture is, brought as a file."""
    av = require_av()
    pictures = [paste_faces([(draw_tinted_face(1, 160, False), (100, 90))])] * 3
    path = write_film(tmp_path / "a.mp4", pictures)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    for crop in ("face", "whole"):
        (film,) = verifier.verify(path, crop=crop)
        (photo,) = verifier.verify(frame, crop=crop)
        assert film.track is not None and film.track.frames == 1
        assert film.llr == photo.llr and film.attribution == photo.attribution
        np.testing.assert_allclose(film.embedding, photo.embedding, atol=1e-6)
        box = film.track.moments[0].box
        assert box == (None if photo.face is None else photo.face.box)


def test_whole_frames_are_one_track(verifier: Verifier, tmp_path: Path) -> None:
    red = np.full((64, 64, 3), (220, 90, 30), np.uint8)
    blue = np.full((64, 64, 3), (40, 90, 200), np.uint8)
    path = write_film(tmp_path / "a.mp4", [red] * RATE + [blue] * 2 * RATE)
    (found,) = verifier.verify(path, crop="whole")
    (alone,) = verifier.verify(path, crop="whole", sampling=Sampling(max_frames=1))
    (last,) = verifier.verify(blue)
    assert found.track is not None and found.track.frames == 3 and found.face is None
    assert found.llr == pytest.approx((alone.llr + 2 * last.llr) / 3, abs=0.05)
    assert [moment.box for moment in found.track.moments] == [None] * 3
    assert found.track.moments[0].time_s == 0.0


def test_films_and_photographs_keep_their_order_and_numbers(
    verifier: Verifier, films: dict[str, Path], photos: dict[str, Path]
) -> None:
    face = np.asarray(paste_faces([(draw_tinted_face(1, 160, False), (100, 90))]))
    sources = [face, films["empty"], films["pair"], photos["empty"], face, films["blue"]]
    numbered = list(verifier.numbered_outcomes(sources, Asked(crop="face", batch=4)))
    assert [number for number, _ in numbered] == [0, 1, 2, 2, 3, 4, 5]
    kinds_found = [type(outcome) for _, outcome in numbered]
    assert kinds_found == [Verdict, FaceError, Verdict, Verdict, ImageError, Verdict, Verdict]


def test_a_scene_after_a_cut_is_another_track(verifier: Verifier, tmp_path: Path) -> None:
    face = draw_tinted_face(1, 160, False)
    here = paste_faces([(face, (100, 90))])
    there = Image.new("RGB", here.size, (15, 20, 10))
    there.paste(face, (100, 90))
    path = write_film(tmp_path / "a.mp4", [here] * 2 * RATE + [there] * 2 * RATE)
    tracks = [verdict.track for verdict in verifier.verify(path, crop="face")]
    spans = sorted((track.from_s, track.to_s) for track in tracks if track is not None)
    assert spans == [(0.0, 1.0), (2.0, 3.0)]


def test_a_film_that_breaks_off_has_verdicts_and_an_error(
    verifier: Verifier, films: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = Sampler._decode

    def stop_early(self: Sampler) -> Iterator[Any]:
        for frame in decode(self):
            if frame.time > 2.35:
                raise OSError(5, "Input/output error")
            yield frame

    monkeypatch.setattr(Sampler, "_decode", stop_early)
    monkeypatch.setattr("runtimes.video.sample.list_key_frames", lambda _: [])
    *verdicts, error = verifier.outcomes(films["pair"], crop="face")
    assert [isinstance(verdict, Verdict) for verdict in verdicts] == [True, True]
    assert isinstance(error, ImageError)
    assert error.message == f"{films['pair']} breaks off after 2.0 s (Input/output error)"


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["blue"], 0),
        (["blue", "pair"], 1),
        (["blue", "empty"], 4),
        (["half"], 4),
        (["pair", "empty"], 1),
        (["pair", "missing"], 2),
    ],
)
def test_exit_codes_and_json(
    names: list[str],
    code: int,
    films: dict[str, Path],
    bundles: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = [str(films.get(name, Path("missing.mp4"))) for name in names]
    command = ["verify", *paths, "--bundle", str(bundles["onnx"]), "--crop", "face", "--json"]
    assert main(command) == code
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    for row in document["results"]:
        name = Path(row["source"]).stem
        if name in ("empty", "half"):
            assert row["outcome"] == {"empty": "no_face", "half": "cut_off"}[name]
            assert row["verdict"] is None and row["reason"] and row["remedy"]
        elif name == "missing":
            assert row["error"] == "missing.mp4 does not exist"
        else:
            assert row["track"]["rule"] == "mean of the LLRs of the track's frames"
            assert row["film"]["every_s"] == 1.0 and row["film"]["duration_s"] > 1.9
            times = [moment["time_s"] for moment in row["track"]["most_suspicious"]]
            assert len(times) == row["track"]["frames"] and set(times) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    assert captured.err.count("error: ") == names.count("missing")


def test_table_and_csv(
    films: dict[str, Path],
    photos: dict[str, Path],
    bundles: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["verify", str(films["pair"]), "--bundle", str(bundles["onnx"]), "--crop", "face"]
    assert main([*command, "--csv"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["verdict"] for row in rows] == ["fake", "real"]
    assert [row["track"] for row in rows] == ["1", "2"]
    assert [row["track_frames"] for row in rows] == ["3", "5"]
    assert [row["track_from_s"] for row in rows] == ["2.000", "0.000"]
    assert {len(row["most_suspicious_s"].split()) for row in rows} == {3, 5}
    assert main(command) == 1
    table = capsys.readouterr().out
    assert "(track 1 of 2: 3 frames, 0:02.0 to 0:04.0)" in table and "most suspicious at" in table
    assert main(["verify", str(photos["real"]), "--bundle", str(bundles["onnx"])]) == 0
    assert "most suspicious" not in capsys.readouterr().out


def test_every_and_max_frames(
    films: dict[str, Path], bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["verify", str(films["pair"]), "--bundle", str(bundles["onnx"]), "--json"]
    assert main([*command, "--every", "0.5"]) in (0, 1, 3)
    captured = capsys.readouterr()
    assert json.loads(captured.out)["results"][0]["track"]["frames"] == 10 and captured.err == ""
    assert main([*command, "--every", "0.1", "--max-frames", "20"]) in (0, 1, 3)
    captured = capsys.readouterr()
    (row,) = json.loads(captured.out)["results"]
    assert row["track"]["frames"] == 20 and row["film"]["every_s"] == pytest.approx(0.25)
    told = f"warning: {films['pair']}: 20 frames, one every 0.25 s (--max-frames)\n"
    assert captured.err == told
    for wrong in (["--every", "0"], ["--max-frames", "0"]):
        with pytest.raises(ConfigError):
            main([*command, *wrong])


def test_what_is_said_of_a_film_without_a_face(
    films: dict[str, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty = str(films["empty"])  # one second
    command = ["verify", empty, "--bundle", str(bundles["onnx"]), "--crop", "face"]
    sampling = ["--every", "0.1", "--max-frames", "2"]
    assert main([*command, *sampling, "--save", str(tmp_path / "out")]) == 4
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"warning: {empty}: no annotated copy, as it is a film"
    assert said[1].startswith(f"no verdict: {empty} (2 frames): no face found")
    assert said[2] == f"warning: {empty}: 2 frames, one every 0.5 s (--max-frames)"


def test_films_in_folders(
    photos: dict[str, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_film(tmp_path / "b.MP4", count_up(12))
    Image.open(photos["real"]).save(tmp_path / "a.png")
    command = ["verify", str(tmp_path), "--bundle", str(bundles["onnx"]), "--json"]
    main(command)
    captured = capsys.readouterr()
    sources = [row["source"] for row in json.loads(captured.out)["results"]]
    assert sources == [str(tmp_path / "a.png"), str(tmp_path / "b.MP4")] and captured.err == ""
    monkeypatch.setattr(kinds, "is_installed", lambda _: False)
    assert main(command) == 0
    captured = capsys.readouterr()
    assert [row["source"] for row in json.loads(captured.out)["results"]] == sources[:1]
    assert f"{tmp_path}: left out 1 other file (.mp4 1)" in captured.err
    assert f"warning: {tmp_path}: 1 film is not judged: 'av' is not installed." in captured.err


def test_without_the_package_a_named_film_is_an_error_and_the_rest_is_judged(
    films: dict[str, Path],
    photos: dict[str, Path],
    bundles: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    paths = [str(films["pair"]), str(photos["real"])]
    assert main(["verify", *paths, "--bundle", str(bundles["onnx"]), "--json"]) == 2
    captured = capsys.readouterr()
    assert [row["verdict"] for row in json.loads(captured.out)["results"]] == [None, "real"]
    (line,) = captured.err.splitlines()
    assert line.startswith(f"error: {paths[0]} is a film, and 'av' is not installed. Run: ")
    assert line.endswith("[video]'")
