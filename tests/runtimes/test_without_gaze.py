"""Of a model that learnt no gaze no form of an answer shows angles."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.write import write_bundle
from runtimes import Verdict, load
from runtimes.answers import Tally
from runtimes.render import TableRows, make_csv_row
from runtimes.video.merge import merge_track
from runtimes.video.track import Film

FILM = Film(1, 1, 0, {}, 1.0, 1.0)
ANGLES = {"gaze_pitch", "gaze_yaw"}


@pytest.fixture(scope="module")
def folder(
    bundles: dict[str, Path], contents: BundleContents, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The fixtures' model, and a bundle.json that says that its gaze was not trained."""
    folder = tmp_path_factory.mktemp("without-gaze")
    (folder / "model.onnx").write_bytes((bundles["onnx"] / "model.onnx").read_bytes())
    write_bundle(folder, replace(contents, gaze=False))
    return folder


def judge(folder: Path, photo: Path) -> Verdict:
    (verdict,) = load(folder, "onnxruntime", threads=1).verify(photo)
    assert isinstance(verdict, Verdict)
    return verdict


@pytest.fixture(scope="module")
def verdicts(
    folder: Path, bundles: dict[str, Path], photos: dict[str, Path]
) -> tuple[Verdict, Verdict]:
    """On one photograph: by that bundle, and by the one that says nothing of gaze."""
    pytest.importorskip("onnxruntime")
    return judge(folder, photos["fake"]), judge(bundles["onnx"], photos["fake"])


def test_the_bundle_says_so_and_an_older_one_means_that_it_does(
    folder: Path, bundles: dict[str, Path]
) -> None:
    pytest.importorskip("onnxruntime")
    without = load(folder, "onnxruntime").bundle
    assert without.meta["gaze"] is False and not without.tells_gaze
    older = load(bundles["onnx"], "onnxruntime").bundle
    assert "gaze" not in older.meta and older.tells_gaze


def test_the_verdict_has_none_and_is_the_same_else(verdicts: tuple[Verdict, Verdict]) -> None:
    without, usual = verdicts
    assert usual.gaze is not None and without.gaze is None
    assert without.to_dict()["gaze"] is None
    assert (without.verdict, without.llr) == (usual.verdict, usual.llr)
    assert merge_track([(0.0, without), (1.0, without)], 1, FILM).gaze is None
    assert merge_track([(0.0, usual)], 1, FILM).gaze == usual.gaze


def test_csv_leaves_the_cells_empty(verdicts: tuple[Verdict, Verdict]) -> None:
    without, usual = verdicts
    assert not ANGLES & set(make_csv_row("a", without))
    assert set(make_csv_row("a", usual)) >= ANGLES


def test_the_table_has_no_column_for_it(verdicts: tuple[Verdict, Verdict]) -> None:
    heads = []
    for verdict in verdicts:
        rows = TableRows(with_faces=True, more=("more",))
        rows.add("a", verdict, ("cell",))
        stream = io.StringIO()
        rows.print(stream, Tally())
        head, line, *_ = stream.getvalue().splitlines()
        assert ("deg" in line) is (verdict.gaze is not None)
        assert "cell" in line
        heads.append(head.split())
    without, usual = heads
    assert without == [word for word in usual if word not in ("gaze", "pitch/yaw")] != usual
