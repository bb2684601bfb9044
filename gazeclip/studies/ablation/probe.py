"""What gaze says by itself: a logistic regression on its direction, and one on the gaze encoder's
features. Controls of the grid.

A floor of what gaze knows, not a ceiling: linear, and of the features their mean only. scikit-learn
    fits them, on the training split.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gazeclip.errors import MissingDependencyError
from gazeclip.run.context import Context
from gazeclip.system.packages import install_command

Table = dict[str, np.ndarray]  # split -> `(N, columns)`
KINDS = {
    "angles": 1.0,
    "features": 0.01,
}  # inverse strength of the L2 penalty: few columns, and more columns than is good


def probe(context: Context, splits: tuple[str, ...], gaze_features: Path) -> dict[str, np.ndarray]:
    """`KIND_SPLIT_logits (N, C)` and `KIND_SPLIT_fake_logit (N,)` of both probes.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    tables, labels = _tables(context, ("train", *splits), gaze_features)
    arrays: dict[str, np.ndarray] = {}
    for kind, strength in KINDS.items():
        model = _regression(strength).fit(tables[kind]["train"], labels)
        for split in splits:
            found = np.full(
                (len(tables[kind][split]), len(context.classes)), -30.0
            )  # a class without training images
            if len(found):
                found[:, model.classes_] = model.predict_log_proba(tables[kind][split]).clip(-30.0)
            arrays[f"{kind}_{split}_logits"] = found
            arrays[f"{kind}_{split}_fake_logit"] = (
                np.logaddexp.reduce(found[:, 1:], axis=1) - found[:, 0]
            )
    return arrays


def _regression(strength: float) -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise MissingDependencyError(
            "scikit-learn is not installed", remedy=f"Run: {install_command('train')}"
        ) from error
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000))


def _tables(
    context: Context, splits: tuple[str, ...], gaze_features: Path
) -> tuple[dict[str, Table], np.ndarray]:
    """The columns of both probes by split, and the classes of the training images `(N,)`."""
    import torch

    from gazeclip.data.dataset import FaceDataset
    from gazeclip.stages.gaze_store import build_gaze_store, store_name
    from gazeclip.stages.load import load_teacher

    encoder = load_teacher(context).gaze_encoder
    assert encoder is not None, "a teacher without gaze"
    tables: dict[str, Table] = {kind: {} for kind in KINDS}
    targets: np.ndarray = np.zeros(0, dtype=np.int64)
    for split in splits:
        dataset = FaceDataset(context.manifest, split, context.contract, context.classes)
        targets = dataset.targets if split == "train" else targets
        angles, features = np.zeros((0, 2)), np.zeros((0, encoder.channels))
        if len(dataset):
            store = build_gaze_store(
                encoder,
                dataset,
                gaze_features / store_name(context, encoder, split),
                torch.device("cpu"),
            )
            angles, features = (
                np.array(store.angles[:, 0]),
                store.tokens[:, 0].mean(axis=1, dtype=np.float32),
            )
        tables["angles"][split], tables["features"][split] = _quadratic(angles), features
    return tables, targets


def _quadratic(angles: np.ndarray) -> np.ndarray:
    """Pitch and yaw `(N, 2)` with their squares, product and |yaw|: spreads and centres differ by
    generator, not means alone.
    """
    pitch, yaw = angles.T
    return np.stack((pitch, yaw, pitch**2, yaw**2, pitch * yaw, np.abs(yaw)), axis=1)
