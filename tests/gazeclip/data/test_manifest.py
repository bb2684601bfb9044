"""Every fault of a manifest is found, and all are reported at once."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gazeclip.__main__ import main
from gazeclip.console.text import printable_message
from gazeclip.data.columns import count_edits
from gazeclip.data.manifest import read_manifest
from gazeclip.data.rows import image_paths
from gazeclip.errors import ManifestError
from gazeclip.images import preprocess
from gazeclip.taxonomy import Taxonomy

TAXONOMY = Taxonomy.load("demo")
COLUMNS = ("path", "label", "split", "identity", "gaze_pitch", "gaze_yaw")


def image(path: Path, seed: int) -> str:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(
        path
    )
    return path.name


def write(path: Path, rows: list[tuple[str, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((*row, *[""] * (len(COLUMNS) - len(row))) for row in rows)
    return path


def sound(folder: Path) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for split in ("train", "val", "calibration", "test"):
        for label in ("real", "swap_gan"):
            number = len(rows)
            rows.append(
                (image(folder / f"{number}.png", number), label, split, f"p-{split}", "0.1", "-0.2")
            )
    rows.append(
        (image(folder / "u0.png", 50), "real", "test_unseen", "p-test")
    )  # a tested person may be tested twice
    rows.append((image(folder / "u1.png", 51), "synth_gan_v2", "test_unseen"))
    return rows


def hash_json(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def faults_of(path: Path, **options: bool) -> str:
    with pytest.raises(ManifestError) as caught:
        read_manifest(path, TAXONOMY, **options)
    return caught.value.message


def test_a_sound_manifest(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    path = write(tmp_path / "m.csv", sound(tmp_path))
    manifest = read_manifest(
        path, TAXONOMY, progress=lambda done, total: calls.append((done, total))
    )
    assert manifest.classes == ("real", "swap_gan")
    assert manifest.counts()["test_unseen"] == {"real": 1, "synth_gan_v2": 1}
    assert manifest.labels("val").tolist() == ["real", "swap_gan"]
    assert manifest.samples[0].gaze == (0.1, -0.2)
    assert manifest.samples[0].path == tmp_path / "0.png"
    assert manifest.samples[-1].gaze is None
    assert manifest.samples[-1].identity is None
    assert calls == [(n, 10) for n in range(1, 11)]


def test_all_faults_are_reported_together(tmp_path: Path) -> None:
    for number, name in enumerate("abcdefuvwx"):
        image(tmp_path / f"{name}.png", number)
    (tmp_path / "copy.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "broken.png").write_bytes((tmp_path / "b.png").read_bytes()[:60])
    rows = [
        ("a.png", "real", "train", "p1"),
        ("b.png", "swap_gan", "train"),
        ("c.png", "real", "val", "p1"),
        ("d.png", "swap_gan", "calibration"),
        ("e.png", "swap_gan", "test_unseen"),
        ("f.png", "synth_flow", "calibration"),
        ("u.png", "swap_gam", "train"),
        ("v.png", "real", "trian"),
        ("w.png", "synth_gan_v2", "train"),
        ("x.png", "real", "train", "", "abc", "0"),
        ("a.png", "real", "train"),
        ("copy.png", "real", "val"),
        ("gone.png", "real", "val"),
        ("broken.png", "real", "val"),
        ("", "real", "val"),
    ]
    message = faults_of(write(tmp_path / "m.csv", rows))
    expected = (
        "line 8: unknown label 'swap_gam'. Did you mean 'swap_gan'?",
        "line 9: unknown split 'trian'. Did you mean 'train'?",
        "line 10: 'synth_gan_v2' is an unseen generator",
        "line 11: gaze must be two angles",
        "line 16: the path names no file",
        "a.png is listed twice",
        "identity 'p1' lies in the splits train, val",
        "split 'val' has no forgeries",
        "split 'val' has no image of 'swap_gan'",
        "split 'calibration' has no real images",
        "split 'calibration' has no image of 'real'",
        "split 'test' is empty",
        "split 'test_unseen' has no real images",
        "'swap_gan' lies in test_unseen and in train",
        "'synth_flow' lies in split 'calibration' but not in train",
        "copy.png (val) is the same file as a.png (train)",
        "gone.png is missing",
        "broken.png is damaged",
    )
    missing = [fault for fault in expected if fault not in message]
    assert not missing
    assert f"{len(expected)} fault(s)" in message
    assert message.count("\n  - ") == len(expected)


@pytest.mark.parametrize(
    ("label", "split", "gaze", "what"),
    [
        ("swap_gam", "train", ("", ""), "unknown label"),
        ("real", "tset", ("", ""), "unknown split"),
        ("synth_gan_v2", "val", ("", ""), "unseen generator"),
        ("real", "train", ("x", "0"), "gaze must be"),
    ],
)
def test_a_faulty_row_is_checked_to_its_end(
    tmp_path: Path, label: str, split: str, gaze: tuple[str, str], what: str
) -> None:
    rows = sound(tmp_path)
    assert what in faults_of(
        write(tmp_path / "m.csv", [*rows, ("gone.png", label, split, "", *gaze)])
    )
    assert "gone.png is missing" in faults_of(tmp_path / "m.csv")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    assert "bad.png is not an image that can be read" in faults_of(
        write(tmp_path / "m.csv", [*rows, ("bad.png", label, split, "", *gaze)])
    )
    assert "0.png is listed twice" in faults_of(
        write(tmp_path / "m.csv", [*rows, ("0.png", label, split, "", *gaze)])
    )
    if split != "tset":  # a mistyped split is no split that a person could lie in
        other = "p-val" if split != "val" else "p-train"
        message = faults_of(
            write(
                tmp_path / "m.csv",
                [*rows, (image(tmp_path / "n.png", 90), label, split, other, *gaze)],
            )
        )
        assert "identity 'p-" in message


@pytest.mark.parametrize(
    "gaze", [("0.1", ""), ("", "0.1"), ("nan", "0"), ("0", "inf"), ("4", "0"), ("0", "-30")]
)
def test_faulty_gaze(tmp_path: Path, gaze: tuple[str, str]) -> None:
    rows = sound(tmp_path)
    rows[0] = (*rows[0][:4], *gaze)
    assert "line 2: gaze must be two angles" in faults_of(write(tmp_path / "m.csv", rows))


@pytest.mark.parametrize("split", ["val", "calibration", "test", "test_unseen"])
def test_a_trained_person_is_in_no_other_split(tmp_path: Path, split: str) -> None:
    rows = [(*row[:3], "shared") if row[2] in ("train", split) else row for row in sound(tmp_path)]
    message = faults_of(write(tmp_path / "m.csv", rows))
    assert "1 fault(s)" in message
    assert f"identity 'shared' lies in the splits {', '.join(sorted(('train', split)))}" in message


def test_the_same_picture_in_two_splits(tmp_path: Path) -> None:
    rows = sound(tmp_path)
    (tmp_path / "6.png").write_bytes((tmp_path / "0.png").read_bytes())
    path = write(tmp_path / "m.csv", rows)
    assert "6.png (test) is the same file as 0.png (train)" in faults_of(path)
    assert len(read_manifest(path, TAXONOMY, check_images=False).samples) == len(rows)


def test_a_missing_file_counts_even_unchecked(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", sound(tmp_path))
    (tmp_path / "3.png").unlink()
    assert "3.png is missing" in faults_of(path, check_images=False)


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "a\0.png"])
def test_names_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    message = faults_of(write(tmp_path / "m.csv", [*sound(tmp_path), (name, "real", "train")]))
    assert "1 fault(s)" in message and ("is missing" in message or "cannot be read" in message)


def test_many_faults_are_counted_and_shortened(tmp_path: Path) -> None:
    rows = sound(tmp_path)
    (tmp_path / "3.png").unlink()
    rows += [
        (
            image(tmp_path / f"n{number}.png", 100 + number),
            "nonsense",
            "train",
            "p-val" if number == 0 else "",
        )
        for number in range(30)
    ]
    path = write(tmp_path / "m.csv", rows)
    message = faults_of(path)
    assert "32 fault(s)" in message
    assert message.count("\n  - ") == 20
    assert "and 12 more; `python -m gazeclip data check` lists all" in message
    # thirty rows of one kind do not hide the two of other kinds
    assert "3.png is missing" in message and "identity 'p-val' lies in" in message
    with pytest.raises(ManifestError) as caught:
        read_manifest(path, TAXONOMY, shown=None)
    assert caught.value.message.count("\n  - ") == 32
    assert " more" not in caught.value.message


def test_the_files_it_names(tmp_path: Path) -> None:
    path = write(
        tmp_path / "m.csv",
        [("a/b.png", "nonsense", "trian"), (str(tmp_path / "c.png"), "real", "train")],
    )
    assert image_paths(path) == [tmp_path / "a/b.png", tmp_path / "c.png"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "no rows"),
        (b"path,label,split\n", "no rows"),
        (b"path,label\na.png,real\n", "split"),
        (b"file\n1\n", "path, label, split"),
        (b"\xff\xfe\x00", "CSV"),
        (b"path,label,split\nM\xfcller.png,real,train\n", "CSV"),
        (b"path,label,split\n" + b"a" * 200_000 + b",real,train\n", "CSV"),
    ],
)
def test_not_a_manifest(tmp_path: Path, text: bytes, what: str) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(text)
    assert what in faults_of(path)


@pytest.mark.parametrize(
    ("separator", "name"), [(";", "';'"), ("\t", "tabs"), ("|", "'|'"), (" ", "blanks")]
)
def test_another_separator_is_named(tmp_path: Path, separator: str, name: str) -> None:
    path = write(tmp_path / "m.csv", sound(tmp_path))
    path.write_text(path.read_text().replace(",", separator))
    assert faults_of(path) == f"{path} is separated by {name}, not by ','"


def test_capitals_in_the_header_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", sound(tmp_path))
    path.write_text(path.read_text().replace("path,label,split", "Path,LABEL,split"))
    with pytest.raises(ManifestError, match="Path, LABEL with capital letters") as caught:
        read_manifest(path, TAXONOMY)
    assert caught.value.remedy == "Write path, label"


@pytest.mark.parametrize(
    "name", ["Identity", "IDENTITY", "identiy", "identtiy", "identites", "idenity"]
)
def test_a_column_that_is_nearly_identity_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "m.csv", sound(tmp_path))
    path.write_text(path.read_text().replace("split,identity", f"split,{name}"))
    with pytest.raises(ManifestError, match=rf"'{name}' \(for identity") as caught:
        read_manifest(path, TAXONOMY)
    assert "Write identity" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("name", "column"),
    [("Crop", "crop"), ("crops", "crop"), ("Gaze-Pitch", "gaze_pitch"), ("gaze yaw", "gaze_yaw")],
)
def test_other_optional_columns_are_not_misspelt_in_silence(
    tmp_path: Path, name: str, column: str
) -> None:
    path = write(tmp_path / "m.csv", sound(tmp_path))
    header, *rows = path.read_text().splitlines()
    header = f"{header.replace(column, 'other')},{name}"
    path.write_text("\n".join([header, *(f"{row}," for row in rows)]))
    assert f"'{name}' (for {column}?)" in faults_of(path)


def test_further_columns_are_ignored_under_other_names(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", sound(tmp_path))
    samples = read_manifest(path, TAXONOMY).samples
    header, *rows = path.read_text().splitlines()
    # Identity is there, so that a second one is nobody's misspelt name.
    names = "category,family,crop_x,drop,gaze_y,identity_2,source_identity"
    path.write_text("\n".join([f"{header},{names}", *(f"{row},,,,,,," for row in rows)]))
    assert read_manifest(path, TAXONOMY).samples == samples


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("", "abc", 3), ("abc", "abc", 0), ("acb", "abc", 1), ("xabc", "abc", 1), ("axc", "abc", 1)],
)
def test_edits_are_counted(one: str, other: str, edits: int) -> None:
    assert count_edits(one, other) == count_edits(other, one) == edits


def test_data_check_warns_where_persons_are_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = sound(tmp_path)
    people = {row[0]: f"p-{row[0]}" for row in rows}
    told = {}
    for name, known in (("none", 0), ("some", len(rows) - 1), ("all", len(rows))):
        kept = [(*row[:3], people[row[0]] if k < known else "") for k, row in enumerate(rows)]
        path = write(tmp_path / f"{name}.csv", kept)
        assert main(["data", "check", str(path), "--taxonomy", "demo"]) == 0
        told[name] = capsys.readouterr().err
    assert "no image has an identity" in told["none"]
    assert f"1 of {len(rows)} lack an identity" in told["some"]
    assert "an identity" not in told["all"]


def test_blanks_around_values_are_no_part_of_them(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", sound(tmp_path))
    samples = read_manifest(path, TAXONOMY).samples
    path.write_text(path.read_text().replace(",", " , "))
    assert read_manifest(path, TAXONOMY).samples == samples
    assert image_paths(path) == [sample.path for sample in samples]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "m.csv", sound(tmp_path))
    path.write_bytes(path.read_text().encode(encoding))
    with pytest.raises(ManifestError, match="is UTF-16 text, not UTF-8 CSV") as caught:
        read_manifest(path, TAXONOMY)
    assert "iconv -f UTF-16" in (caught.value.remedy or "")


def test_latin_1_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", sound(tmp_path))
    path.write_bytes(path.read_bytes() + "Müller.png,real,train\n".encode("latin-1"))
    with pytest.raises(ManifestError, match="is not UTF-8 CSV: line 12 has letters") as caught:
        read_manifest(path, TAXONOMY)
    assert "iconv -f LATIN1" in (caught.value.remedy or "")
    assert "codec" not in str(caught.value)


def test_a_jpeg_is_checked_at_a_fraction_of_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sound(tmp_path)
    name = "large.jpg"
    Image.new("RGB", (6400, 5600), (9, 70, 200)).save(tmp_path / name)
    sizes = []
    flatten = preprocess.flatten

    def note_size(image: Image.Image, *arguments: Any) -> Image.Image:
        sizes.append(image.size)
        return flatten(image, *arguments)

    monkeypatch.setattr(preprocess, "flatten", note_size)
    read_manifest(write(tmp_path / "m.csv", [*rows, (name, "real", "train")]), TAXONOMY)
    assert max(sizes) == (800, 700)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    assert "large.jpg is damaged" in faults_of(tmp_path / "m.csv")


def test_backslashes_are_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    image(tmp_path / "a" / "b.png", 77)
    rows = [*sound(tmp_path), ("a\\b.png", "real", "train")]
    message = faults_of(write(tmp_path / "m.csv", rows))
    assert "a\\b.png is missing: write '/' between folders" in message
    assert "line 12: " in message


def test_columns_that_are_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("path,label, split ,label,split,,\na.png,real,train,swap_gan,val,,\n")
    assert "m.csv has the column(s) label, split more than once" in faults_of(path)


def test_parquet_columns_that_are_there_twice(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    names = ["path", "label", "split", "label"]
    table = pyarrow.Table.from_arrays([pyarrow.array(["a"])] * 4, names=names)
    pyarrow.parquet.write_table(table, tmp_path / "m.parquet")
    assert "has the column(s) label more than once" in faults_of(tmp_path / "m.parquet")


def test_a_value_too_many(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", sound(tmp_path))
    path.write_text(path.read_text().replace("5.png,", "5,png,").replace("7.png,", '"7,png",'))
    (tmp_path / "7.png").rename(tmp_path / "7,png")
    message = faults_of(path)
    assert "line 7: 1 value(s) behind the last column; a value with a comma needs quotes" in message
    assert "line 9" not in message


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    """As `grep -n` counts them: blank lines and values over several lines included."""
    rows = sound(tmp_path)
    path = write(tmp_path / "m.csv", rows)
    lines = path.read_text().splitlines()
    lines[3:3] = ["", "  ", ""]
    lines[1] = lines[1].replace("p-train", '"p-train"')
    lines += ['x.png,real,train,"over', 'two lines",,', "", "0.png,real,train,,,"]
    lines += ["1.png,swap_gan,train,p-test,,", "7.png,swap_gam,test,,9,9"]
    (tmp_path / "copy.png").write_bytes((tmp_path / "0.png").read_bytes())
    lines += ["copy.png,real,val,,,"]
    for ending in ("\n", "\r\n"):
        path.write_bytes(ending.join(lines).encode())
        message = faults_of(path)
        at = {name: number for number, name in enumerate(lines, start=1)}
        zero = at[lines[1]]
        one = at[lines[2]]
        gone = at['x.png,real,train,"over']
        assert f"line {gone}: {tmp_path / 'x.png'} is missing" in message
        again = at["0.png,real,train,,,"]
        assert f"line {again}: 0.png is listed twice (first in line {zero}; splits" in message
        again = at["1.png,swap_gan,train,p-test,,"]
        assert f"line {again}: 1.png is listed twice (first in line {one}; splits" in message
        wrong = at["7.png,swap_gam,test,,9,9"]
        assert f"line {wrong}: unknown label 'swap_gam'" in message
        assert f"line {wrong}: gaze must be" in message
        twin = f"line {len(lines)}: copy.png (val) is the same file as 0.png (train), line {zero}"
        assert twin in message
        shared = "identity 'p-test' lies in the splits test, test_unseen, train (such as line"
        assert shared in message


def test_no_file(tmp_path: Path) -> None:
    assert "does not exist" in faults_of(tmp_path / "none.csv")
    assert "is a folder" in faults_of(tmp_path)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(
        *arguments: object, **options: object
    ) -> object:  # as root any file can be read, so a mode would not do
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "m.csv", sound(tmp_path))
    monkeypatch.setattr(Path, "open", refuse)
    message = faults_of(path)
    assert "m.csv cannot be read (Permission denied)" in message
    assert "\n" not in message


@pytest.mark.parametrize("cut", ["none", "tail", "middle", "text"])
def test_damaged_parquet_is_one_line(tmp_path: Path, cut: str) -> None:
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "m.parquet"
    pyarrow.parquet.write_table(
        pyarrow.table({name: [f"{name}{i}" for i in range(500)] for name in COLUMNS}), path
    )
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "none": b"",
            "tail": whole[:-9],
            "middle": whole[:100] + b"\xff" * 400 + whole[500:],
            "text": b"path,label,split\n" * 9,
        }[cut]
    )
    assert middle > 500
    message = faults_of(path)
    assert "m.parquet is not a whole Parquet file (" in message
    assert "\n" not in message


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = sound(tmp_path)
    columns: dict[str, list[object]] = {
        name: [(row[i] if len(row) > i else None) for row in rows] for i, name in enumerate(COLUMNS)
    }
    for name in ("gaze_pitch", "gaze_yaw"):  # numbers and nulls, as a table has them
        columns[name] = [None if value is None else float(str(value)) for value in columns[name]]
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "m.parquet")
    from_csv = read_manifest(write(tmp_path / "m.csv", rows), TAXONOMY)
    assert read_manifest(tmp_path / "m.parquet", TAXONOMY).samples == from_csv.samples


def test_the_hash_follows_the_file(tmp_path: Path) -> None:
    rows = sound(tmp_path)
    before = read_manifest(write(tmp_path / "m.csv", rows), TAXONOMY).hash_file()
    assert read_manifest(write(tmp_path / "m.csv", rows), TAXONOMY).hash_file() == before
    assert (
        read_manifest(
            write(tmp_path / "m.csv", [*rows[:-1], (*rows[-1], "someone")]), TAXONOMY
        ).hash_file()
        != before
    )


def test_the_content_is_what_the_images_are_and_mean(tmp_path: Path) -> None:
    """In a form that runs and bundles of earlier versions were made from."""
    rows = sound(tmp_path)
    manifest = read_manifest(write(tmp_path / "m.csv", rows), TAXONOMY)
    listed: list[list[Any]] = []
    for name, label, split, *rest in rows:
        person, pitch, yaw = (*rest, "", "", "")[:3]
        gaze = [float(pitch), float(yaw)] if pitch else None
        digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        listed.append([label, split, person or None, gaze, digest])
    assert manifest.hash_content() == hash_json(listed)
    assert manifest.hash_content("t" * 64) == hash_json([*listed, ["t" * 64]])


def test_files_may_be_called_otherwise_and_mean_the_same(tmp_path: Path) -> None:
    rows = sound(tmp_path)
    before = read_manifest(write(tmp_path / "m.csv", rows), TAXONOMY)
    moved = []
    for name, *rest in rows:
        (tmp_path / name).rename(tmp_path / f"other-{name}")
        moved.append((f"other-{name}", *rest))
    after = read_manifest(write(tmp_path / "m.csv", moved), TAXONOMY)
    assert after.hash_content() == before.hash_content()
    Image.new("RGB", (6, 6)).save(tmp_path / moved[0][0])
    other = read_manifest(tmp_path / "m.csv", TAXONOMY)
    assert other.hash_content() != before.hash_content()


def test_a_remedy_stands_on_a_line_of_its_own_behind_a_list() -> None:
    error = ManifestError(
        "m.csv has 2 fault(s):\n  - a\x1b\n  - b\n  ... and 3 more", "Correct them"
    )
    lines = printable_message(str(error)).splitlines()
    assert lines[1:] == ["  - a\\x1b", "  - b", "  ... and 3 more", "  Correct them"]
    assert str(ManifestError("one fault", "Correct it")) == "one fault. Correct it"


def test_how_images_were_cut_is_said_of_all_or_none(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", sound(tmp_path))
    assert read_manifest(path, TAXONOMY).crop is None
    header, *rows = path.read_text().splitlines()
    lines = [f"{header},crop", *(f"{row},face" for row in rows)]
    path.write_text("\n".join(lines))
    assert read_manifest(path, TAXONOMY).crop == "face"
    path.write_text("\n".join([*lines[:3], f"{rows[2]},", *lines[4:]]))
    assert "line 4: crop is nothing, before it is face" in faults_of(path)
    path.write_text("\n".join([*lines[:3], f"{rows[2]},fcae", *lines[4:]]))
    assert "line 4: unknown crop 'fcae'. Did you mean 'face'?" in faults_of(path)
