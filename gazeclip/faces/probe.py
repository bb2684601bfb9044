"""A linear probe on raw pixels: how much of a data set can be solved without learning features.

Ridge regression of +1 (forged) / -1 (real) on all pixel values, in its dual form (one n x n kernel
instead of one weight per pixel squared), trained on `train`, with the penalty chosen on `val`.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from gazeclip.errors import ArtifactError, ManifestError
from gazeclip.scoring.metrics import roc_auc

_SPLITS = ("train", "val", "test", "test_unseen")
# Penalties in units of the mean eigenvalue of the kernel.
_PENALTIES = tuple(10.0**k for k in np.arange(-3.0, 3.1, 0.5))


def _read_splits(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Per split: pixels float32 (n, S * S * 3) in 0 .. 1 and forged or not, bool (n,)."""
    path = folder / "manifest.csv"
    if not path.is_file():
        raise ArtifactError(
            f"no manifest.csv in {folder}", remedy="Give the folder of a written data set."
        )
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    out = {}
    for split in _SPLITS:
        chosen = [row for row in rows if row["split"] == split]
        forged = np.array([row["label"] != "real" for row in chosen], dtype=bool)
        if forged.all() or not forged.any():
            raise ManifestError(
                f"{path}: split {split} lacks real or forged images", remedy="A probe needs both."
            )
        pixels = np.stack(
            [np.asarray(Image.open(folder / row["path"]).convert("RGB")).ravel() for row in chosen]
        )
        out[split] = (pixels.astype(np.float32) / 255.0, forged)
    return out


def linear_probe(folder: Path) -> dict[str, float]:
    """Detection AUC of the probe: {"test_auc", "test_unseen_auc", "val_auc"}, fractions.

    Args:
        folder: a data set with manifest.csv whose images all have one size.

    Raises:
        ArtifactError: no manifest. ManifestError: a split without real or without forged images.
    """
    data = _read_splits(Path(folder))
    train, forged = data["train"]
    mean = train.mean(axis=0)
    centred = train - mean
    # One decomposition of the (n, n) kernel serves every penalty.
    values, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
    # Both classes weigh the same however many images they have.
    target = np.where(forged, 0.5 / forged.mean(), -0.5 / (1.0 - forged.mean()))
    rotated = vectors.T @ target
    kernels = {s: (data[s][0] - mean) @ centred.T @ vectors for s in _SPLITS[1:]}

    def score(split: str, penalty: float) -> float:
        dual = rotated / (np.clip(values, 0.0, None) + penalty * values.mean())
        return float(roc_auc(data[split][1], kernels[split] @ dual) or 0.0)

    best = max(_PENALTIES, key=lambda penalty: score("val", penalty))
    return {f"{split}_auc": score(split, best) for split in _SPLITS[1:]}
