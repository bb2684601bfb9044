"""The command, from a manifest to files."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from gazeclip.__main__ import main
from gazeclip.errors import ConfigError, GazeClipError, ManifestError, WeightsError
from tests.gazeclip.studies.gaze_stats.manifests import (
    labelled,
    manifest,
)

ROOT = Path(__file__).parents[4]


def run(*argv: object) -> int:
    return main(["gaze-stats", *(str(item) for item in argv)])


def test_the_command_from_labels_to_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    path, out = labelled(tmp_path), tmp_path / "out"
    assert run(path, "--permutations", 199, "--out", out) == 0
    shown = capsys.readouterr().out
    assert "stylegan1_ffhq" in shown and "not tested" in shown
    report = json.loads((out / "gaze_stats.json").read_text())
    rows = {row["name"]: row for row in report["generators"]}
    assert list(rows) == [
        "landmark_swap_poisson",
        "stylegan1_ffhq",
        "flux1_schnell",
    ]  # taxonomy order
    assert (
        rows["stylegan1_ffhq"]["yaw"]["spread_p_holm"] < 0.05
        and rows["stylegan1_ffhq"]["yaw"]["narrower"] is True
    )
    assert "energy" not in rows["flux1_schnell"] and rows["flux1_schnell"]["n"] == 4
    assert report["splits"] == ["train", "test"] and report["gaze"]["source"].startswith(
        "gaze labels"
    )
    svg = (out / "gaze_stats.svg").read_bytes()
    assert ET.fromstring(svg).tag.endswith("svg") and b"http://www.w3.org/1999/xlink" in svg
    assert "flux1_schnell: fewer than 10" in (out / "gaze_stats.md").read_text()
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert run(path, "--permutations", 199, "--out", out, "--json") == 0
    assert json.loads(capsys.readouterr().out) == report
    assert before == {
        file.name: file.read_bytes() for file in out.iterdir()
    }  # one seed, one result
    assert (
        run(
            path,
            "--permutations",
            199,
            "--out",
            tmp_path / "other",
            "--splits",
            "train",
            "--no-figure",
        )
        == 0
    )
    assert not (tmp_path / "other" / "gaze_stats.svg").exists()
    assert [
        row["name"]
        for row in json.loads((tmp_path / "other" / "gaze_stats.json").read_text())["generators"]
    ] == ["landmark_swap_poisson"]


def test_angles_that_do_not_vary_are_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[tuple[object, ...]] = [
        (f"{k}.png", "real", "train", f"p{k}", 0.1, 0.2) for k in range(12)
    ]
    rows += [
        (f"s{k}.png", "landmark_swap_poisson", "train", f"p{k}", 0.01 * k, 0.2) for k in range(12)
    ]
    path = manifest(tmp_path / "m.csv", rows)
    assert run(path, "--permutations", 100, "--out", tmp_path / "out", "--no-figure", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (
        report["generators"][0]["pitch"]["ratio"] is None
        and report["matched"][0]["pitch"]["forging_ratio"] is None
    )
    assert (
        report["generators"][0]["yaw"]["spread_p"] == 1.0
        and report["generators"][0]["pitch"]["spread_p"] < 0.05
    )
    assert run(path, "--permutations", 100, "--out", tmp_path / "out", "--no-figure") == 0
    assert "share no gaze" in capsys.readouterr().out


def test_the_table_needs_no_rich(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    assert (
        run(labelled(tmp_path), "--permutations", 100, "--out", tmp_path / "out", "--no-figure")
        == 0
    )
    assert "landmark_swap_poisson, yaw" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (("--permutations", 99), ConfigError, "too few"),
        (("--weights", "x.pth"), ConfigError, "belongs to an encoder"),
        (("--splits", "tset"), ConfigError, "Did you mean 'test'"),
        (("--splits", "val"), ManifestError, "no real image"),
        (("--splits", "test"), ManifestError, "no real image"),
        (("--gaze", "eth-xgaze"), WeightsError, "--weights FILE"),
        (("--gaze", "eth-xgaze", "--weights", "missing.pth"), WeightsError, "does not exist"),
        (("--gaze", "small"), WeightsError, "needs a weight file"),
        (("--taxonomy", "demo"), ManifestError, "unknown label"),
    ],
)
def test_wrong_options_are_refused(
    options: tuple[object, ...], error: type[GazeClipError], says: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        run(labelled(tmp_path), "--out", tmp_path / "out", "--no-figure", *options)
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("a.png", "real", "train", "", 0, 0), ("b.png", "sdxl", "train", "", 0, 0)], "too few"),
        ([(f"{k}.png", "real", "train", "", 0, 0) for k in range(12)], "only real"),
        ([(f"{k % 2}.png", "real", "train", "", 0, 0) for k in range(12)], "listed twice"),
        (
            [
                *[(f"{k}.png", "real", "train", "", 0, 0) for k in range(12)],
                ("x.png", "sdxl", "train"),
            ],
            "--gaze eth-xgaze --weights FILE",
        ),
    ],
)
def test_unusable_manifests_are_refused(
    rows: list[tuple[object, ...]], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ManifestError) as caught:
        run(manifest(tmp_path / "m.csv", rows), "--out", tmp_path / "out", "--no-figure")
    assert says in str(caught.value)


def test_errors_are_one_line_and_exit_code_2(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "gazeclip",
        "gaze-stats",
        str(tmp_path / "none.csv"),
        "--no-figure",
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (
        done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    )
