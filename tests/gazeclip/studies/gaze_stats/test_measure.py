"""Gaze measured by an encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazeclip.data.rows import read_samples
from gazeclip.errors import ImageError
from gazeclip.studies.gaze_stats import measure
from tests.gazeclip.studies.gaze_stats.manifests import (
    TAXONOMY,
    draw,
    manifest,
)
from tests.gazeclip.studies.gaze_stats.test_command import run


class Counting:
    """Stands in for an encoder: gaze from the mean red and green; counts what it is shown."""

    input_size = 16

    def __init__(self) -> None:
        self.seen = 0
        self.mean = pytest.importorskip("torch").zeros(1)

    def __call__(self, pixels):  # type: ignore[no-untyped-def]
        from gazeclip.teacher.gaze.encoder import GazeFeatures

        self.seen += len(pixels)
        return GazeFeatures(pixels, pixels.float().mean((2, 3))[:, :2] / 255 - 0.5)


def pictures(folder: Path) -> Path:
    rows: list[tuple[object, ...]] = []
    for k in range(26):
        label, split = ("real", "train" if k < 12 else "test") if k < 14 else ("sdxl", "train")
        colour = draw(k).integers(0, 256, 3, dtype=np.uint8)
        Image.fromarray(np.tile(colour, (20, 20, 1))).save(folder / f"{k}.png")
        rows.append((f"{k}.png", label, split))
    return manifest(folder / "m.csv", rows)


def test_gaze_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Counting()
    monkeypatch.setattr(measure, "_build_encoder", lambda kind, weights: encoder)
    path, weights, out = pictures(tmp_path), tmp_path / "w.pth", tmp_path / "out"
    weights.write_bytes(b"one")
    samples = read_samples(path, TAXONOMY)
    train = [sample for sample in samples if sample.split == "train"]

    def gaze(chosen: list) -> np.ndarray:  # type: ignore[type-arg]
        return measure.measured_gaze(chosen, path, "small", weights, out).angles

    first = gaze(train)
    assert encoder.seen == 24
    pixels = np.stack([np.asarray(Image.open(sample.path))[0, 0, :2] for sample in train])
    np.testing.assert_allclose(first, pixels / 255 - 0.5, atol=1e-6)  # the table keeps six decimals
    everything = gaze(samples)
    assert encoder.seen == 26  # only the two of the other split
    np.testing.assert_array_equal(
        everything[[sample.split == "train" for sample in samples]], first
    )
    np.testing.assert_array_equal(gaze(samples), everything)
    assert encoder.seen == 26
    weights.write_bytes(b"two")
    gaze(samples)
    assert encoder.seen == 52
    path.write_text(path.read_text() + "\n")
    gaze(samples)
    assert encoder.seen == 78
    (out / "gaze.csv").write_text(
        (out / "gaze.csv").read_text().replace("0.", "1.")
    )  # edited by hand
    gaze(samples)
    assert encoder.seen == 104


def test_an_unreadable_image_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_build_encoder", lambda kind, weights: Counting())
    path = pictures(tmp_path)
    (tmp_path / "w.pth").write_bytes(b"one")
    (tmp_path / "17.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"17\.png"):
        run(
            path,
            "--gaze",
            "small",
            "--weights",
            tmp_path / "w.pth",
            "--out",
            tmp_path / "out",
            "--no-figure",
        )
    (tmp_path / "17.png").unlink()
    with pytest.raises(ImageError, match=r"17\.png does not exist"):
        run(
            path,
            "--gaze",
            "small",
            "--weights",
            tmp_path / "w.pth",
            "--out",
            tmp_path / "out",
            "--no-figure",
        )


def test_a_real_layout_reads_its_own_weights(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from gazeclip.teacher.gaze.small import SmallGaze

    torch.manual_seed(0)
    encoder = SmallGaze()
    torch.save(encoder.state_dict(), tmp_path / "small.pth")
    path = pictures(tmp_path)
    samples = read_samples(path, TAXONOMY)[:3]
    found = measure.measured_gaze(samples, path, "small", tmp_path / "small.pth", tmp_path / "out")
    from gazeclip.images.preprocess import PixelContract

    pixels = torch.stack(
        [
            torch.from_numpy(PixelContract(96).apply(sample.path)).permute(2, 0, 1)
            for sample in samples
        ]
    )
    with torch.no_grad():
        expected = encoder.eval()(pixels).gaze.numpy()
    np.testing.assert_allclose(
        found.angles, expected, atol=2e-6
    )  # six decimals kept, and a batch of another size
    assert found.source == "small, file small.pth" and found.weights_sha256 is not None
