"""Manifests with gaze labels, and a reference statistic, for the tests of this folder."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from gazeclip.data.rows import read_samples
from gazeclip.studies.gaze_stats import compare, measure, statistics
from gazeclip.taxonomy import Taxonomy

TAXONOMY = Taxonomy.load("dfad")
COLUMNS = ("path", "label", "split", "identity", "gaze_pitch", "gaze_yaw")


def draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    """2 E|X-Y| - E|X-X'| - E|Y-Y'| of two samples `(N, D)` and `(M, D)`, over all pairs."""
    return float(
        2 * statistics.pairwise_distances(x, y).mean()
        - statistics.pairwise_distances(x, x).mean()
        - statistics.pairwise_distances(y, y).mean()
    )


def manifest(path: Path, rows: list[tuple[object, ...]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((*row, *[""] * (len(COLUMNS) - len(row))) for row in rows)
    return path


def labelled(folder: Path, swap_shift: float = 0.0) -> Path:
    """Real photographs of 40 people, and three generators.

    Two swaps of each of the first 20, near their photograph; a narrow GAN; too few of FLUX.
    """
    rng = draw(11)
    gaze = rng.normal(0, 0.3, size=(40, 2))
    rows: list[tuple[object, ...]] = [
        (f"real/{k:02}.png", "real", "train", f"p{k}", *gaze[k]) for k in range(40)
    ]
    for k in range(40):
        pitch, yaw = gaze[k % 20] + rng.normal(0, 0.02, 2) + (0.0, swap_shift)
        rows.append(
            (
                f"swap/{k % 20:02}__{39 - k:02}_{k}.png",
                "landmark_swap_poisson",
                "train",
                f"p{k % 20}",
                pitch,
                yaw,
            )
        )
    rows += [
        (f"gan/{k}.png", "stylegan1_ffhq", "test", "", *rng.normal(0, 0.05, 2)) for k in range(30)
    ]
    rows += [(f"flux/{k}.png", "flux1_schnell", "test", "", 0.1, 0.1 * k) for k in range(4)]
    return manifest(folder / "m.csv", rows)


def groups_of(path: Path) -> dict[str, compare.Group]:
    samples = read_samples(path, TAXONOMY)
    return compare.group_by_label(samples, measure.labelled_gaze(samples).angles, TAXONOMY, 0)
