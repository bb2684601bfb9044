"""What gaze says by itself: controls of the grid.

A logistic regression on the gaze's direction, and one on the gaze encoder's features. A floor of
what gaze knows, not a ceiling: linear, and of the features their mean only. scikit-learn fits them,
on the training split.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from gazeclip.data.dataset import FaceDataset
from gazeclip.errors import MissingDependencyError, StageError
from gazeclip.run.context import Context
from gazeclip.stages.gaze_store import build_gaze_store, store_name
from gazeclip.stages.load import load_teacher
from gazeclip.system.packages import install_command

Table = dict[str, np.ndarray]  # split -> `(N, columns)`
# Kind -> inverse strength of the L2 penalty: six columns need little, hundreds of features more.
KINDS = {"angles": 1.0, "features": 0.01}
LOG_FLOOR = -30.0  # log probability of a class without training images, and the lowest of any


def score_probes(
    context: Context, splits: tuple[str, ...], gaze_features: Path
) -> dict[str, np.ndarray]:
    """`KIND_SPLIT_logits (N, C)` and `KIND_SPLIT_fake_logit (N,)` of both probes.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    tables, labels = _build_tables(context, ("train", *splits), gaze_features)
    arrays: dict[str, np.ndarray] = {}
    for kind, strength in KINDS.items():
        model = _build_regression(strength).fit(tables[kind]["train"], labels)
        for split in splits:
            columns = tables[kind][split]
            found = np.full((len(columns), len(context.classes)), LOG_FLOOR)
            if len(found):
                found[:, model.classes_] = model.predict_log_proba(columns).clip(LOG_FLOOR)
            arrays[f"{kind}_{split}_logits"] = found
            # Log odds of any forgery against real, which is class 0.
            any_fake = np.logaddexp.reduce(found[:, 1:], axis=1)
            arrays[f"{kind}_{split}_fake_logit"] = any_fake - found[:, 0]
    return arrays


def _build_regression(strength: float) -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise MissingDependencyError(
            "scikit-learn is not installed", remedy=f"Run: {install_command('train')}"
        ) from error
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000))


def _build_tables(
    context: Context, splits: tuple[str, ...], gaze_features: Path
) -> tuple[dict[str, Table], np.ndarray]:
    """The columns of both probes by split, and the classes of the training images `(N,)`."""
    encoder = load_teacher(context).gaze_encoder
    if encoder is None:
        raise StageError(
            f"the teacher of {context.run.name} has no gaze encoder to probe",
            remedy="Leave the probes out, or give the recipe a teacher.model.gaze.kind",
        )
    tables: dict[str, Table] = {kind: {} for kind in KINDS}
    targets: np.ndarray = np.zeros(0, dtype=np.int64)
    for split in splits:
        dataset = FaceDataset(context.manifest, split, context.contract, context.classes)
        if split == "train":
            targets = dataset.targets
        angles = np.zeros((0, 2))
        features = np.zeros((0, encoder.channels))
        if len(dataset):
            folder = gaze_features / store_name(context, encoder, split)
            store = build_gaze_store(encoder, dataset, folder, torch.device("cpu"))
            # Number 0 of axis 1 is the image as it is, number 1 its mirror image.
            angles = np.array(store.angles[:, 0])
            features = store.tokens[:, 0].mean(axis=1, dtype=np.float32)
        tables["angles"][split] = _expand_angles(angles)
        tables["features"][split] = features
    return tables, targets


def _expand_angles(angles: np.ndarray) -> np.ndarray:
    """Pitch and yaw `(N, 2)` with their squares, product and |yaw|, `(N, 6)`.

    Generators differ in the spread of gaze and in its centre, which a linear model of the two
    angles alone could not see.
    """
    pitch, yaw = angles.T
    return np.stack((pitch, yaw, pitch**2, yaw**2, pitch * yaw, np.abs(yaw)), axis=1)
