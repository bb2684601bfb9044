"""A manifest from a folder: persons stay together, unseen generators apart; the result repeats."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazeclip.data.from_folder import write_manifest
from gazeclip.data.manifest import read_manifest
from gazeclip.errors import ConfigError, ManifestError
from gazeclip.taxonomy import Taxonomy

PATTERN = r"/p(\d+)_"
LABELS = ("real", "swap_gan", "synth_gan_v2")


def fill(folder: Path, persons: range, labels: tuple[str, ...] = LABELS) -> None:
    for number, label in enumerate(labels):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for person in persons:
            pixels = np.random.default_rng((number, person)).integers(
                0, 256, (4, 4, 3), dtype=np.uint8
            )
            Image.fromarray(pixels).save(folder / label / f"p{person}_x.png")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    fill(folder, range(80))
    return folder


def test_persons_stay_together_and_unseen_apart(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(write_manifest(faces, "demo", tmp_path / "m.csv", PATTERN))
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[row["identity"]].add(row["split"])
        assert (row["label"] == "synth_gan_v2") <= (row["split"] == "test_unseen")
        assert (tmp_path / row["path"]).resolve().is_file()
    for found in splits.values():
        assert len(found) == 1 or found == {"test", "test_unseen"}
    trained = {row["identity"] for row in rows if row["split"] in ("train", "val", "calibration")}
    assert {row["identity"] for row in rows if row["label"] == "synth_gan_v2"} == set(
        splits
    ) - trained
    assert len(rows) == 160 + len(splits) - len(trained)
    assert f"left out {len(trained)} images" in capsys.readouterr().err
    assert {row["split"] for row in rows} == {"train", "val", "calibration", "test", "test_unseen"}
    known = {(row["label"], row["category"], row["family"]) for row in rows}
    assert known == {
        ("real", "real", "real"),
        ("swap_gan", "face_swap", "gan"),
        ("synth_gan_v2", "entire_synthesis", "gan"),
    }


def test_how_images_were_cut_is_written_or_asked_for(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_manifest(faces, "demo", tmp_path / "m.csv", PATTERN, crop="whole")
    assert {row["crop"] for row in rows_of(path)} == {"whole"}
    assert "--crop" not in capsys.readouterr().err
    assert read_manifest(path, Taxonomy.load("demo")).crop == "whole"
    path = write_manifest(faces, "demo", tmp_path / "n.csv", PATTERN)
    assert "without --crop face or whole" in capsys.readouterr().err
    assert read_manifest(path, Taxonomy.load("demo")).crop is None


def test_the_shares_are_roughly_those_stated(faces: Path, tmp_path: Path) -> None:
    reals = [
        row["split"]
        for row in rows_of(write_manifest(faces, "demo", tmp_path / "m.csv", PATTERN))
        if row["label"] == "real"
    ]
    assert reals.count("train") / len(reals) == pytest.approx(0.53, abs=0.17)


def test_repeats_to_the_byte_and_follows_the_seed(faces: Path, tmp_path: Path) -> None:
    first, second = (
        write_manifest(faces, "demo", tmp_path / name, PATTERN).read_bytes()
        for name in ("a.csv", "b.csv")
    )
    assert first == second
    assert write_manifest(faces, "demo", tmp_path / "c.csv", PATTERN, seed=1).read_bytes() != first


def test_a_person_keeps_the_split_when_others_come(faces: Path, tmp_path: Path) -> None:
    before = {
        row["path"]: row["split"]
        for row in rows_of(write_manifest(faces, "demo", faces / "m.csv", PATTERN))
    }
    (tmp_path / "more").mkdir()
    fill(tmp_path / "more", range(100))
    after = {
        row["path"]: row["split"]
        for row in rows_of(
            write_manifest(tmp_path / "more", "demo", tmp_path / "more" / "m.csv", PATTERN)
        )
    }
    assert {path: after[path] for path in before} == before
    assert len(after) > len(before)


def test_without_a_pattern_each_file_is_a_person_and_a_warning_says_so(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(write_manifest(faces, "demo", tmp_path / "m.csv"))
    assert len({row["identity"] for row in rows}) == len(rows) == 240
    assert "without --identity" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pattern", "kind", "what"),
    [
        ("(", ConfigError, "regular expression"),
        ("abc", ConfigError, "no group"),
        ("(zzz)", ManifestError, "does not match"),
    ],
)
def test_faulty_patterns(
    faces: Path, tmp_path: Path, pattern: str, kind: type[Exception], what: str
) -> None:
    with pytest.raises(kind, match=what):
        write_manifest(faces, "demo", tmp_path / "m.csv", pattern)
    assert not (tmp_path / "m.csv").exists()


def test_faulty_folders(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="not a folder"):
        write_manifest(tmp_path / "none", "demo", tmp_path / "m.csv")
    fill(tmp_path / "odd", range(1), ("swap_gam", "swap_gan"))
    with pytest.raises(ManifestError, match=r"swap_gam.*swap_gan.*no subfolder 'real'"):
        write_manifest(tmp_path / "odd", "demo", tmp_path / "m.csv")
    (tmp_path / "empty" / "real").mkdir(parents=True)
    with pytest.raises(ManifestError, match="no images"):
        write_manifest(tmp_path / "empty", "demo", tmp_path / "m.csv")


def test_two_folders_are_a_preset_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, range(30), ("real",))
    fill(tmp_path, range(30, 60), ("fake",))
    with pytest.raises(ManifestError, match="unknown subfolders 'fake'") as caught:
        write_manifest(tmp_path, "dfad", tmp_path / "m.csv", PATTERN)
    assert caught.value.remedy == "Give --taxonomy real-fake, which has these two"
    path = write_manifest(tmp_path, "real-fake", tmp_path / "m.csv", PATTERN)
    manifest = read_manifest(path, Taxonomy.load("real-fake"))
    assert manifest.classes == ("real", "fake")
    assert set(manifest.counts()) == {"train", "val", "calibration", "test"}
    # Under the recipe's own taxonomy the labels mean nothing, and the remedy is what was printed.
    told = f"--set data.manifest={path} --set data.taxonomy=real-fake"
    assert told in capsys.readouterr().err
    with pytest.raises(ManifestError, match="unknown label 'fake'") as caught:
        read_manifest(path, Taxonomy.load("dfad"))
    assert "--set data.taxonomy=, here 'dfad'" in (caught.value.remedy or "")


def test_it_reads_back_as_it_was_checked(faces: Path, tmp_path: Path) -> None:
    path = write_manifest(faces, "demo", tmp_path / "m.csv", PATTERN)
    manifest = read_manifest(path, Taxonomy.load("demo"))
    assert [sample.label for sample in manifest.samples] == [row["label"] for row in rows_of(path)]


def test_an_existing_manifest_is_replaced_only_when_asked(faces: Path, tmp_path: Path) -> None:
    path = write_manifest(faces, "demo", tmp_path / "m.csv", PATTERN)
    written = path.read_bytes()
    path.write_text("edited by hand")
    with pytest.raises(ManifestError, match=r"m\.csv exists already. .*--force"):
        write_manifest(faces, "demo", path, PATTERN)
    assert path.read_text() == "edited by hand"
    assert write_manifest(faces, "demo", path, PATTERN, force=True).read_bytes() == written


def test_a_refused_manifest_leaves_no_file_and_changes_none(tmp_path: Path) -> None:
    fill(tmp_path / "few", range(2), ("real", "swap_gan"))  # two persons cannot fill four splits
    for force in (False, True):
        with pytest.raises(ManifestError, match="too few persons"):
            write_manifest(
                tmp_path / "few", "demo", tmp_path / "out" / "m.csv", PATTERN, force=force
            )
    assert not (tmp_path / "out").exists()
    (tmp_path / "m.csv").write_text("of before")
    with pytest.raises(ManifestError, match="too few persons"):
        write_manifest(tmp_path / "few", "demo", tmp_path / "m.csv", PATTERN, force=True)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["m.csv"]
    assert (tmp_path / "m.csv").read_text() == "of before"


def test_a_refusal_names_every_fault(tmp_path: Path) -> None:
    fill(tmp_path, range(60), ("real", "swap_gan"))
    for person in range(30):
        (tmp_path / "real" / f"p{person}_x.png").write_bytes(b"no picture")
    with pytest.raises(ManifestError) as caught:
        write_manifest(tmp_path, "demo", tmp_path / "m.csv", PATTERN)
    assert caught.value.message.count("is not an image that can be read") == 30


def test_suffixes_in_capitals_and_of_scans(faces: Path, tmp_path: Path) -> None:
    fill(tmp_path, range(80))
    for index, path in enumerate(sorted((tmp_path / "real").iterdir())):
        Image.open(path).save(path.with_suffix(".tif" if index % 2 else ".TIFF"))
        path.unlink()
    labels = [
        row["label"]
        for row in rows_of(write_manifest(tmp_path, "demo", tmp_path / "m.csv", PATTERN))
    ]
    assert labels.count("real") == 80


def test_files_passed_over_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, range(80))
    for name in ("real/notes.txt", "real/deep/more.TXT", "swap_gan/a.gif", "README"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "stray.png").touch()  # beside the subfolders: no label
    write_manifest(tmp_path, "demo", tmp_path / "m.csv", PATTERN)
    said = capsys.readouterr().err
    others = "4 other files (.txt 2, .gif 1, README 1)"
    expected = f"passed over {others}, 1 image(s) beside the subfolders"
    assert expected in said
    write_manifest(tmp_path, "demo", tmp_path / "m.csv", PATTERN, force=True)
    assert expected in capsys.readouterr().err  # not the manifest itself


def test_what_systems_leave_behind_is_no_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, range(80))
    copies = tmp_path / "real" / ".ipynb_checkpoints"
    copies.mkdir()
    for person in range(20):
        name = f"p{person}_x.png"
        (copies / name).write_bytes((tmp_path / "real" / name).read_bytes())
    (tmp_path / "real" / "._p1_x.png").write_bytes(b"of a Mac, no picture")
    (tmp_path / "real" / ".DS_Store").touch()
    (tmp_path / ".cache").mkdir()  # no label either
    rows = rows_of(write_manifest(tmp_path, "demo", tmp_path / "m.csv", PATTERN))
    assert [row["label"] for row in rows].count("real") == 80
    assert not [row["path"] for row in rows if "/." in row["path"]]
    assert "passed over 4 hidden files or folders" in capsys.readouterr().err


def test_linked_folders_are_walked(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", range(80))
    faces = tmp_path / "faces"
    (faces / "real").mkdir(parents=True)
    (faces / "real" / "part").symlink_to(tmp_path / "elsewhere" / "real")
    (faces / "swap_gan").symlink_to(tmp_path / "elsewhere" / "swap_gan")
    rows = rows_of(write_manifest(faces, "demo", faces / "m.csv", PATTERN))
    labels = [row["label"] for row in rows]
    assert (labels.count("real"), labels.count("swap_gan")) == (80, 80)
    assert {row["path"] for row in rows} >= {"real/part/p3_x.png", "swap_gan/p3_x.png"}


def test_a_label_that_links_to_another_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, range(80))
    (tmp_path / "swap_cnn").symlink_to("swap_gan")
    with pytest.raises(ManifestError, match="link to what is here") as caught:
        write_manifest(tmp_path, "demo", tmp_path / "m.csv", PATTERN)
    assert f"'swap_cnn' (to {(tmp_path / 'swap_gan').resolve()})" in caught.value.message
    assert not (tmp_path / "m.csv").exists()


def test_a_folder_that_cannot_be_read_makes_no_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, range(80))
    (tmp_path / "real" / "more").symlink_to(tmp_path / "gone")
    with pytest.raises(ManifestError, match=r"1 thing\(s\) .* cannot be read:\n.*more: link to n"):
        write_manifest(tmp_path, "demo", tmp_path / "m.csv", PATTERN)
    (tmp_path / "real" / "more").unlink()
    closed = tmp_path / "swap_gan" / "closed"
    closed.mkdir()
    scan = os.scandir

    def refuse(place: Path) -> object:  # as root any folder can be read, so a mode would not do
        if Path(place) == closed:
            raise PermissionError(13, "Permission denied")
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ManifestError, match="closed: Permission denied") as caught:
        write_manifest(tmp_path, "demo", tmp_path / "m.csv", PATTERN)
    assert "chmod" in (caught.value.remedy or "")
    assert not (tmp_path / "m.csv").exists()


def test_file_names_that_are_no_text(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    odd = os.fsencode(tmp_path / "real") + b"/p\xff_.png"
    try:
        os.close(os.open(odd, os.O_CREAT))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(ManifestError, match="1 file name"):
        write_manifest(tmp_path, "demo", tmp_path / "m.csv", PATTERN)
