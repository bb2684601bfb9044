"""The procedural faces: same bytes for the same seed, separate people per split.

Gaze and traces are really in the pixels.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazeclip.errors import ArtifactError, ConfigError
from gazeclip.faces import dataset, render_golden, render_one, write_dataset
from gazeclip.faces.anatomy import render_face
from gazeclip.faces.generators import LABELS, SEEN, UNSEEN
from gazeclip.faces.params import EyePair, FaceParams, PhotoParams
from gazeclip.faces.probe import linear_probe
from gazeclip.recipe.faces import FacesConfig
from gazeclip.taxonomy import Taxonomy

SMALL = FacesConfig(
    size=32,
    identities=60,
    train_real=6,
    train_fake=2,
    val_real=2,
    val_fake=1,
    calibration_real=1,
    calibration_fake=1,
    test_real=2,
    test_fake=1,
    unseen_real=2,
    unseen_fake=2,
    seed=3,
)
ALL_IMAGES = sum(sum(dataset.count_images(SMALL, split).values()) for split in dataset.SPLITS)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    seen: list[tuple[int, int]] = []
    manifest = write_dataset(
        folder, SMALL, progress=lambda done, total: seen.append((done, total)), processes=1
    )
    assert manifest == folder / "manifest.csv"
    assert seen[-1] == (ALL_IMAGES, ALL_IMAGES)
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_same_bytes_whatever_the_number_of_processes(written: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path, SMALL, processes=2)
    assert contents(tmp_path) == contents(written)


def test_another_seed_gives_other_faces() -> None:
    first = render_golden(2, 48, seed=0)
    second = render_golden(2, 48, seed=1)
    assert np.abs(first.astype(int) - second).mean() > 10


def test_rows_columns_and_files(written: Path) -> None:
    rows = rows_of(written)
    assert tuple(rows[0]) == (
        "path",
        "label",
        "category",
        "family",
        "split",
        "identity",
        "gaze_pitch",
        "gaze_yaw",
    )
    assert len(rows) == ALL_IMAGES == len({row["path"] for row in rows})
    for row in rows:
        with Image.open(written / row["path"]) as image:
            assert image.size == (SMALL.size, SMALL.size) and image.mode == "RGB"
        assert abs(float(row["gaze_pitch"])) < 0.7 and abs(float(row["gaze_yaw"])) < 0.9


def test_every_label_is_in_the_right_splits(written: Path) -> None:
    counts = Counter((row["split"], row["label"]) for row in rows_of(written))
    for split in ("train", "val", "calibration", "test"):
        assert {label for s, label in counts if s == split} == {"real", *SEEN}
    assert {label for s, label in counts if s == "test_unseen"} == {"real", *UNSEEN}
    assert counts["train", "real"] == 6 and counts["train", "synth_flow"] == 2
    assert len(SEEN) + len(UNSEEN) >= 9 and len(UNSEEN) >= 3


def test_labels_agree_with_the_demo_taxonomy(written: Path) -> None:
    taxonomy = Taxonomy.load("demo")
    assert {g.name: g.seen for g in taxonomy.generators if g.name != "real"} == {
        name: label.seen for name, label in LABELS.items() if name != "real"
    }
    for row in rows_of(written):
        assert (row["category"], row["family"]) == taxonomy.group(row["label"])


def test_no_identity_in_two_splits(written: Path) -> None:
    people: dict[str, set[str]] = {}
    for row in rows_of(written):
        people.setdefault(row["split"], set()).add(row["identity"])
    sets = list(people.values())
    assert len(sets) == 5
    assert sum(map(len, sets)) == len(set().union(*sets))
    pools = [set(dataset.identities_of_split(FacesConfig(), split)) for split in dataset.SPLITS]
    assert sum(map(len, pools)) == len(set().union(*pools))


def test_source_of_a_swap_is_somebody_else_of_the_same_pool() -> None:
    pool = range(10, 18)
    faces = {FaceParams.from_identity(k, 0): k for k in pool}
    for index in range(6):
        task = dataset._Task(48, 0, 0, "swap_gan", index, pool)
        identity, target, source = dataset._choose_people(task, np.random.default_rng(index))
        assert faces[target] == identity
        assert source in faces and faces[source] != identity


def test_faults_of_a_config_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        dataset.check_faces(replace(SMALL, size=8, val_fake=0, identities=3))
    for word in ("size 8", "val_fake 0", "identities 3"):
        assert word in str(caught.value)


def _blue_centre(pitch: float, yaw: float) -> tuple[float, float]:
    """Centre (x, y) in pixels of what is blue: the irises, where all else is reddish."""
    rng = np.random.default_rng(0)
    face = replace(
        FaceParams.from_identity(1),
        iris=(0.0, 0.0, 255.0),
        skin=(220.0, 120.0, 90.0),
        hair=(80.0, 40.0, 20.0),
    )
    face = replace(face, cloth=(150.0, 40.0, 30.0), lip=(160.0, 80.0, 70.0))
    photo = replace(
        PhotoParams.sample(rng, (0.0, 0.0)),
        background=((150.0, 90.0, 60.0), (120.0, 60.0, 40.0)),
        roll=0.0,
    )
    image = render_face(face, photo, EyePair((pitch, yaw), (pitch, yaw)), 96)
    weight = np.clip(image[..., 2] - image[..., 0] - 20, 0, None)
    rows, columns = np.mgrid[0:96, 0:96]
    return float((weight * columns).sum() / weight.sum()), float(
        (weight * rows).sum() / weight.sum()
    )


def test_iris_moves_with_the_gaze() -> None:
    across = [_blue_centre(0.0, yaw)[0] for yaw in np.linspace(-0.6, 0.6, 7)]
    # Positive yaw looks to the left of the image; the whole range is several pixels at 96.
    assert all(np.diff(across) < -0.4) and across[0] - across[-1] > 8
    down = [_blue_centre(pitch, 0.0)[1] for pitch in np.linspace(-0.4, 0.4, 5)]
    assert all(np.diff(down) < -0.3) and down[0] - down[-1] > 3


def test_gaze_label_is_what_both_eyes_show_on_average() -> None:
    assert EyePair((0.1, 0.3), (0.2, -0.1)).label == pytest.approx((0.15, 0.1))


def _power(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Power spectrum of the luminance (Hann window) and radial frequency in cycles per pixel."""
    grey = image.astype(np.float64).mean(axis=2)
    window = np.hanning(grey.shape[0])
    spectrum = np.abs(np.fft.fft2((grey - grey.mean()) * window[:, None] * window[None, :])) ** 2
    ticks = np.fft.fftfreq(grey.shape[0])
    return spectrum, np.hypot(ticks[:, None], ticks[None, :])


def grid_peak(image: np.ndarray) -> float:
    """Power at the corners and quarters of the spectrum over that around them: the grid."""
    spectrum, _ = _power(image)
    n = spectrum.shape[0]
    ratio = 1.0
    for row, column in ((n // 2, n // 2), (n // 4, n // 4), (0, n // 4), (n // 4, 0)):
        near = np.array(
            [
                [spectrum[(row + i) % n, (column + j) % n] for j in range(-6, 7)]
                for i in range(-6, 7)
            ]
        )
        ratio = max(ratio, float(near[5:8, 5:8].mean() / np.median(near)))
    return ratio


def band_ratio(image: np.ndarray, low: tuple[float, float], high: tuple[float, float]) -> float:
    spectrum, frequency = _power(image)
    means = [spectrum[(frequency >= a) & (frequency < b)].mean() for a, b in (low, high)]
    return float(means[0] / means[1])


def detail(image: np.ndarray) -> float:
    """Mean second difference of the middle of the picture: what resampling blur takes away."""
    middle = image[24:80, 24:72].astype(np.float64).mean(axis=2)
    return float(np.abs(middle[:, 2:] - 2 * middle[:, 1:-1] + middle[:, :-2]).mean())


MEASURES = {
    "gan": (grid_peak, 1.5),
    "diffusion": (lambda image: band_ratio(image, (0.22, 0.30), (0.36, 0.44)), 1.5),
    "flow": (lambda image: band_ratio(image, (0.15, 0.30), (0.42, 0.50)), 1.3),
    "graphics": (lambda image: 1.0 / detail(image), 1.05),
}


@pytest.mark.parametrize("label", [*SEEN, *UNSEEN])
def test_trace_survives_noise_and_jpeg(label: str) -> None:
    """The family's own measure tells the forged photo from its untouched counterpart."""
    measure, factor = MEASURES[LABELS[label].family]
    ratios = []
    for index in range(3):
        forged, untouched = (
            render_one(label, 96, 0, index, strength)[1] for strength in (1.0, 0.0)
        )
        ratios.append(measure(forged) / measure(untouched))
    assert np.median(ratios) > factor, ratios


def test_untouched_counterpart_keeps_people_and_gaze() -> None:
    forged, untouched = (render_one("synth_gan", 48, 0, 1, strength)[0] for strength in (1.0, 0.0))
    assert forged.gaze == untouched.gaze
    # The trace is small against the picture: a few levels of 255.
    assert 0.5 < np.abs(forged.image - untouched.image).mean() < 8


def test_two_sizes_show_the_same_picture() -> None:
    small = render_one("real", 64, seed=2)[0]
    large = render_one("real", 128, seed=2)[0]
    assert small.gaze == large.gaze
    shrunk = large.image.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    # Edges are softened by one pixel of either size, so only the mean difference is small.
    assert np.abs(shrunk - small.image).mean() < 4
    assert np.corrcoef(shrunk.ravel(), small.image.ravel())[0, 1] > 0.99


def test_golden_faces() -> None:
    faces = render_golden(3, 40, seed=5)
    assert faces.shape == (3, 40, 40, 3) and faces.dtype == np.uint8
    np.testing.assert_array_equal(faces, render_golden(3, 40, seed=5))
    assert faces.std() > 20


def _fake_set(folder: Path, brightness_of_forged: int) -> None:
    """A data set of plain noise in which forged images are brighter by so much."""
    rng = np.random.default_rng(0)
    lines = ["path,label,split"]
    for split in ("train", "val", "test", "test_unseen"):
        for k in range(24):
            pixels = rng.integers(60, 190, (8, 8, 3)) + (brightness_of_forged if k % 2 else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{split}{k}.png")
            lines.append(f"{split}{k}.png,{'synth_gan' if k % 2 else 'real'},{split}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")


def test_linear_probe_solves_what_is_linear_and_nothing_else(tmp_path: Path) -> None:
    for name, brightness in (("easy", 40), ("hopeless", 0)):
        (tmp_path / name).mkdir()
        _fake_set(tmp_path / name, brightness)
    assert linear_probe(tmp_path / "easy")["test_auc"] > 0.99
    # 24 images: half a standard deviation is 0.06, so chance stays well below this.
    assert linear_probe(tmp_path / "hopeless")["test_auc"] < 0.8
    with pytest.raises(ArtifactError):
        linear_probe(tmp_path)
