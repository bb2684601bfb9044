"""Keeping generators from training: where their images go, and that a training accepts it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from gazeclip.__main__ import main
from gazeclip.data.hold_out import hold_out
from gazeclip.data.manifest import read_manifest
from gazeclip.errors import ConfigError
from gazeclip.studies.protocol.evaluate import split_protocols
from gazeclip.taxonomy import Taxonomy

SEEN = ("real", "landmark_swap_poisson", "stylegan1_ffhq", "flux1_schnell")
UNSEEN = ("real", "stylegan3r_ffhq", "flux1_dev")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rows = [(label, split) for split in ("train", "val", "calibration", "test") for label in SEEN]
    rows += [(label, "test_unseen") for label in UNSEEN]
    lines = ["path,label,split,identity,gaze_pitch,gaze_yaw"]
    for number, (label, split) in enumerate(rows):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{label},{split},{split}_{label},0.1,-0.2")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "manifest.csv"


def test_a_family_leaves_training_and_becomes_p3(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert (
        main(
            [
                "data",
                "hold-out",
                str(manifest),
                "--taxonomy",
                "dfad",
                "--family",
                "flow",
                "--out",
                str(out),
            ]
        )
        == 0
    )
    taxonomy = Taxonomy.load(str(out / "taxonomy.yaml"))
    made = read_manifest(out / "manifest.csv", taxonomy)  # as a training reads it, images decoded
    assert made.classes == SEEN[:3]
    assert made.counts()["test_unseen"] == {
        "flux1_schnell": 1,
        "real": 1,
        "stylegan3r_ffhq": 1,
        "flux1_dev": 1,
    }
    before = read_manifest(manifest, Taxonomy.load("dfad"))
    assert len(made.samples) == len(before.samples) - 3  # of train, val and calibration
    assert {(s.path.name, s.identity, s.gaze) for s in made.samples} <= {
        (s.path.name, s.identity, s.gaze) for s in before.samples
    }
    labels = made.labels("test_unseen").tolist()
    chosen = split_protocols({"test_unseen": labels}, taxonomy, made.classes)
    assert {labels[row] for row in chosen["P3"].rows} == {"real", "flux1_schnell", "flux1_dev"}
    assert taxonomy.cite == Taxonomy.load("dfad").cite


def test_a_single_generator_becomes_p2(manifest: Path) -> None:
    samples, taxonomy = hold_out(
        read_manifest(manifest, Taxonomy.load("dfad")), (), ("flux1_schnell",)
    )
    assert not taxonomy.get("flux1_schnell").seen
    assert taxonomy.get("stylegan1_ffhq").seen
    assert [s.split for s in samples if s.label == "flux1_schnell"] == ["test_unseen"]


def test_what_cannot_be_held_out(manifest: Path) -> None:
    made = read_manifest(manifest, Taxonomy.load("dfad"))
    with pytest.raises(ConfigError, match="family 'flo'") as caught:
        hold_out(made, ("flo",))
    assert "Did you mean 'flow'?" in str(caught.value)
    with pytest.raises(ConfigError, match="unknown generator 'stylegan'"):
        hold_out(made, (), ("stylegan",))
    with pytest.raises(ConfigError, match="nothing to hold out"):
        hold_out(made, ())
    with pytest.raises(ConfigError, match="every generator that is trained on"):
        hold_out(made, ("flow", "gan", "graphics"))
