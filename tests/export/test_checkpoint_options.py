"""What `--checkpoint` takes beside it, told before a student is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.__main__ import main
from gazeclip.errors import ArtifactError, ConfigError


def options(folder: Path, *more: str) -> list[str]:
    """Of a checkpoint that is not there."""
    places = ["--checkpoint", str(folder / "none"), "--out", str(folder / "out")]
    return [*places, "--manifest", str(folder / "m.csv"), "--target", "onnx", *more]


@pytest.mark.parametrize(
    "setting", ["student.backbone=x", "data.manifest=other.csv", "data.taxonomy=demo", "seed=1"]
)
def test_a_setting_that_is_not_of_an_export_is_told_all_that_are(
    tmp_path: Path, setting: str
) -> None:
    with pytest.raises(ConfigError, match="is not of an export") as caught:
        main(options(tmp_path, "--set", setting))
    for known in ("export.*", "gate.*", "data.crop*"):
        assert known in (caught.value.remedy or "")


@pytest.mark.parametrize("setting", ["data.crop_side=1.43", "gate.rounds=200"])
def test_settings_of_an_export_are_taken(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ArtifactError):  # the student, which comes after the settings
        main(options(tmp_path, "--set", setting))


@pytest.mark.parametrize(
    ("precisions", "told"),
    [((), True), (("all",), True), (("fp32",), False), (("fp32", "w8"), False)],
)
def test_int8_is_left_out_aloud_where_it_was_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], precisions: tuple[str, ...], told: bool
) -> None:
    named = [part for name in precisions for part in ("--precision", name)]
    with pytest.raises(ArtifactError):
        main(options(tmp_path, *named))
    assert ("int8 is left out" in capsys.readouterr().err) is told
