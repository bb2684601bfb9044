"""What is said of face crops when their manifest is made or checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazeclip.__main__ import main
from runtimes.commands.framing import choose_images, describe_framings
from runtimes.faces import network
from runtimes.faces.framing import Framing, Framings
from tests.runtimes.faces.pictures import draw_face


def framings(side: float, lift: float, found: int = 20, **counts: int) -> Framings:
    return Framings((Framing(side, lift),) * found, **{"faceless": 0, "oblong": 0, **counts})


def test_the_settings_are_said_and_a_warning_only_far_off() -> None:
    (near,) = describe_framings(framings(1.47, 0.03, faceless=4))
    assert "--set data.crop_side=1.47 --set data.crop_lift=0.03" in near
    assert "in 20 of 24 images" in near
    settings, warning = describe_framings(framings(1.9, 0.03))
    assert "--set data.crop_side=1.9 " in settings
    assert warning.startswith("warning:") and "side 1.45" in warning


@pytest.mark.parametrize("counts", [{"found": 7}, {"faceless": 21}, {"oblong": 30}])
def test_what_is_no_set_of_face_crops_is_doubted(counts: dict[str, int]) -> None:
    (line,) = describe_framings(framings(1.45, 0.04, **counts))
    assert line.startswith("warning:") and "--set" not in line


def test_medians_that_no_rule_allows_are_told() -> None:
    (line,) = describe_framings(framings(9.0, 0.04))
    assert "crop side 9.0 is no number" in line


def test_the_images_are_spread_over_all() -> None:
    images = [Path(str(number)) for number in range(1000)]
    chosen = [int(str(path)) for path in choose_images(images, 64)]
    assert len(chosen) <= 64 and chosen[0] == 0 and chosen[-1] > 900
    assert choose_images(images[:5], 64) == images[:5]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    for number in range(24):
        label = ("real", "fake")[number % 2]
        (folder / label).mkdir(exist_ok=True)
        draw_face(number).save(folder / label / f"{number}.png")
    return folder


def command(faces: Path, out: Path, *more: str) -> list[str]:
    return ["data", "manifest", str(faces), "--taxonomy", "real-fake", "--out", str(out), *more]


def test_both_commands_measure_face_crops_and_no_others(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(faces, tmp_path / "face.csv", "--crop", "face")) == 0
    assert "--set data.crop_side=" in capsys.readouterr().err
    assert main(["data", "check", str(tmp_path / "face.csv"), "--taxonomy", "real-fake"]) == 0
    assert "--set data.crop_side=" in capsys.readouterr().err
    assert main(command(faces, tmp_path / "whole.csv", "--crop", "whole")) == 0
    assert "crop_side" not in capsys.readouterr().err


def test_without_a_detector_one_line_says_so(
    faces: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network, "is_installed", lambda name: False)
    assert main(command(faces, tmp_path / "m.csv", "--crop", "face")) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "not measured" in line]
    assert len(told) == 1 and "neither is installed" in told[0]
    assert (tmp_path / "m.csv").is_file()
