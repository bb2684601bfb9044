"""Run a torch model over a split and give NumPy arrays; figures of val to choose an epoch by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from gazeclip.bundle.layout import OUTPUTS
from gazeclip.data.dataset import Batch, FaceDataset, batches, plain_keys
from gazeclip.errors import StageError
from gazeclip.scoring.metrics import macro_accuracy, roc_auc

BATCH_SIZE = 64  # of images that are only looked at


@torch.inference_mode()
def predict(
    model: Callable[[Batch], Any],
    dataset: FaceDataset,
    batch_size: int = BATCH_SIZE,
    workers: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    names: Sequence[str] = OUTPUTS,
) -> dict[str, np.ndarray]:
    """`model(batch)` over all images of a split, without augmentation.

    Args:
        progress: called with (images done, images in all) after each batch.
        names: attributes of the model's output, each `(B, ...)`.

    Returns:
        Those of `names` that the output has, as float32 arrays `(N, ...)`; empty if there is no
        image.
    """
    parts: dict[str, list[np.ndarray]] = {}
    done = 0
    for batch in batches(dataset, plain_keys(len(dataset)), batch_size, workers):
        output = model({name: value.to(device) for name, value in batch.items()})
        for name in names:
            if hasattr(output, name):
                parts.setdefault(name, []).append(getattr(output, name).float().cpu().numpy())
        done += len(batch["index"])
        if progress is not None:
            progress(done, len(dataset))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def validation_figures(outputs: dict[str, np.ndarray], targets: np.ndarray) -> dict[str, float]:
    """Detection AUC, macro attribution accuracy and their mean as `score`, on val.

    All classes are present there.

    Raises:
        StageError: scores that are not numbers, as a network gives whose weights grew without
            bound; or a class of val is missing.
    """
    if not all(np.isfinite(outputs[name]).all() for name in ("fake_logit", "logits")):
        raise StageError(
            "the model's scores on val are not finite",
            remedy="Lower the learning rate and run the stage again",
        )
    auc = roc_auc(targets != 0, outputs["fake_logit"][:, 0])
    acc = macro_accuracy(targets, outputs["logits"].argmax(axis=1))
    if auc is None or acc is None:
        raise StageError(
            "val has no real or no forged image to judge a model by",
            remedy="Give val images of both kinds",
        )
    return {"auc": auc, "attribution_macro_acc": acc, "score": 0.5 * (auc + acc)}
