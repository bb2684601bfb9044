"""Annotated copies on the disk: names, frames, and what never happens to another file."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazeclip.errors import ArtifactError, ConfigError
from gazeclip.images.source import NamedBytes
from runtimes.annotate import copies
from runtimes.annotate.copies import Copies, make_repeatable
from runtimes.annotate.marks import STYLES
from runtimes.cli import main
from tests.runtimes.faces.pictures import draw_face, make_picture

ORIENTATION = 0x0112
GPS = 0x8825
Verify = Callable[..., int]


@pytest.fixture
def verify(bundles: dict[str, Path], tmp_path: Path) -> Verify:
    """`verify --save out` with more arguments."""
    fixed = ["--bundle", str(bundles["onnx"]), "--threads", "1", "--save", str(tmp_path / "out")]
    return lambda *arguments: main(["verify", *map(str, arguments), *fixed])


def list_copies(folder: Path) -> list[Path]:
    return sorted((folder / "out").iterdir())


def hash_files(*files: Path) -> list[str]:
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def test_a_photograph_is_upright_and_carries_nothing(verify: Verify, tmp_path: Path) -> None:
    picture = make_picture(900, 700)
    picture.paste(draw_face(1, 300), (80, 250))
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned clockwise
    exif[GPS] = {1: "N", 2: (48.0, 8.0, 30.0)}
    photo = tmp_path / "photo.jpg"
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    turned.save(photo, exif=exif, comment=b"at home", quality=95)
    before = hash_files(photo)
    verify(photo, "--crop", "face")
    (copy,) = list_copies(tmp_path)
    with Image.open(copy) as found:
        assert found.size == (900, 700) and dict(found.getexif()) == {}
        assert set(found.info) == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        pixels = np.asarray(found, int)
    assert b"at home" not in copy.read_bytes() and b"Exif" not in copy.read_bytes()
    # Far from the face it is the picture as it is seen.
    assert np.abs(pixels - np.asarray(picture, int))[:, 600:].mean() < 4
    assert hash_files(photo) == before


def test_boxes_and_verdicts_are_drawn(
    verify: Verify, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = make_picture(900, 700)
    picture.paste(draw_face(1, 300), (80, 250))
    photo = tmp_path / "photo.png"
    picture.save(photo)
    verify(photo, "--crop", "face", "--jsonl")
    captured = capsys.readouterr()
    row = json.loads(captured.out)
    copy = Path(row["copy"])
    assert copy == list_copies(tmp_path)[0]
    assert captured.err == f"annotated copies in {tmp_path / 'out'}: 1\n"
    with Image.open(copy) as found:
        pixels = np.asarray(found, int)
    fill = np.abs(pixels - STYLES[row["verdict"]].fill).max(axis=2) < 40  # after JPEG
    x0, y0, x1, y1 = row["box"]
    ring = fill[y0:y1, x0:x1].copy()
    assert not ring[20:-20, 20:-20].any()
    for side in (ring[:10], ring[-10:], ring[:, :10].T, ring[:, -10:].T):
        assert side.any(axis=0).mean() > 0.4  # dashes have gaps


def test_pictures_of_one_name_have_copies_of_their_own(
    verify: Verify, photos: dict[str, Path], tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for suffix in ("png", "bmp"):
            with Image.open(photos["fake"]) as image:
                image.save(tmp_path / folder / f"x.{suffix}")
    images = sorted(tmp_path.glob("?/x.*"))
    assert verify(*images) == 1
    assert len(list_copies(tmp_path)) == len(images) == 4
    before = {path: path.read_bytes() for path in list_copies(tmp_path)}
    verify(*images)  # again: beside the others
    after = list_copies(tmp_path)
    assert len(after) == 8 and all(path.read_bytes() == before[path] for path in before)


def test_no_input_is_ever_written_over(
    verify: Verify, photos: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    photo = tmp_path / "x.png"
    photo.write_bytes(photos["real"].read_bytes())
    verify(photo)
    (copy,) = list_copies(tmp_path)
    # A second input has the very name that the copy of the first would have, and lies there.
    copy.write_bytes(photos["fake"].read_bytes())
    before = hash_files(photo, copy)
    assert verify(photo, copy) == 1
    assert hash_files(photo, copy) == before and len(list_copies(tmp_path)) == 3


def test_a_folder_that_is_judged_takes_no_copies(bundles: dict[str, Path], tmp_path: Path) -> None:
    album = tmp_path / "album"
    (album / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(album)
    names = tmp_path / "names.txt"
    names.write_text(f"{album}\n")
    for named in ([str(album)], ["--files-from", str(names)]):
        for out in (album, album / "deep" / "out", tmp_path / "link" / "out"):
            command = ["verify", *named, "--save", str(out), "--bundle", str(bundles["onnx"])]
            with pytest.raises(ConfigError, match="whose images are judged"):
                main(command)
            assert not (album / "deep" / "out").exists()


def test_a_copy_is_whole_or_not_there(
    verify: Verify, photos: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(image: Image.Image, file: Path, is_jpeg: bool) -> None:
        file.write_bytes(b"half a picture")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copies, "_encode", fail)
    with pytest.raises(ArtifactError, match="No space left"):
        verify(photos["real"])
    assert list_copies(tmp_path) == []


def test_each_frame_has_a_copy(verify: Verify, photos: dict[str, Path], tmp_path: Path) -> None:
    animated = tmp_path / "photo.webp"
    names = ["real", "fake", "real"]
    first, *others = [Image.open(photos[name]).convert("RGB") for name in names]
    first.save(animated, save_all=True, append_images=others, lossless=True)
    assert verify(animated, "--frames", "all", "--batch", "2") == 1
    found = list_copies(tmp_path)
    assert [path.stem.rpartition("-")[2] for path in found] == ["frame1", "frame2", "frame3"]
    for path, name in zip(found, names, strict=True):
        with Image.open(path) as copy, Image.open(photos[name]) as original:
            above = np.asarray(copy, float)[10 : copy.height // 3, 10:-10]  # the label is below
            colour = np.asarray(original.convert("RGB"), float).mean(axis=(0, 1))
        assert np.abs(above.mean(axis=(0, 1)) - colour).max() < 15  # they differ by 140 and more


def test_what_cannot_be_judged(
    verify: Verify, photos: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faceless = tmp_path / "faceless.png"
    make_picture(640, 480).save(faceless)
    assert verify(faceless, photos["text"], "--crop", "face", "--csv") == 2
    (copy,) = list_copies(tmp_path)  # of the file that is no picture there is none
    assert copy.name.startswith("faceless-")
    assert str(copy) in capsys.readouterr().out


def test_frames_without_a_face_have_a_copy_each_and_all_is_told(
    verify: Verify, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = tmp_path / "pages.tif"
    first, *others = [make_picture(640, 480) for _ in range(3)]
    first.save(pages, save_all=True, append_images=others)
    assert verify(pages, "--crop", "face", "--frames", "2", "--jsonl") == 4
    captured = capsys.readouterr()
    found = [Path(json.loads(line)["copy"]) for line in captured.out.splitlines()]
    assert [path.stem.rpartition("-")[2] for path in found] == ["frame1", "frame2"]
    assert list_copies(tmp_path) == found
    told = f"warning: {pages}: 3 frames, only the first 2 are judged\n"
    assert captured.err.count(told) == 1 and captured.err.count("no face found") == 2


def test_a_picture_too_large_for_a_copy_is_judged_nevertheless(
    verify: Verify,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photo = tmp_path / "large.jpg"
    Image.new("RGB", (800, 600), (40, 90, 200)).save(photo)
    # JPEG may have more pixels where it is decoded at a fraction of its size.
    monkeypatch.setattr("gazeclip.images.preprocess.MAX_PIXELS", 400_000)
    assert verify(photo) == 0
    assert "warning: no annotated copy: " in capsys.readouterr().err


def test_what_comes_through_a_pipe_is_read_once(photos: dict[str, Path], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    data = photos["fake"].read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    held = make_repeatable(str(pipe), pipe)
    writer.join()
    assert isinstance(held, NamedBytes) and held == data and held.name == str(pipe)
    for source in (photos["fake"], tmp_path / "none.png"):
        assert make_repeatable(str(source), source) is source


def test_names_fit_every_file_system(tmp_path: Path) -> None:
    for name in ("-", "x" * 251 + ".jpg", "顔" * 83 + ".jpg", "\udcff\n.png", ".png"):
        written = Copies(tmp_path)._write(Image.new("RGB", (20, 20)), copies._name_copy(name))
        assert len(os.fsencode(written.name)) <= 255 - len(".12345678.partial")
    long = Copies(tmp_path)._write(Image.new("RGB", (65_501, 1)), "long")
    assert long.suffix == ".png"
