"""Run a torch model over a split and give NumPy arrays; the same figures for val that the report computes for test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazeclip.data.dataset import FaceDataset, batches, plain_keys
from gazeclip.errors import StageError
from gazeclip.metrics import macro_accuracy, roc_auc

OUTPUTS = ("embedding", "logits", "fake_logit", "gaze")


@torch.inference_mode()
def predict(
    model: Callable[[Tensor], Any], dataset: FaceDataset, batch_size: int = 64, workers: int = 0, device: torch.device | str = "cpu"
) -> dict[str, np.ndarray]:
    """`model(pixels)` over the plain images -> those of `OUTPUTS` that the model has, as arrays `(N, ...)` float32."""
    parts: dict[str, list[np.ndarray]] = {}
    for batch in batches(dataset, plain_keys(len(dataset)), batch_size, workers):
        output = model(batch["pixels"].to(device))
        for name in OUTPUTS:
            if hasattr(output, name):
                parts.setdefault(name, []).append(getattr(output, name).float().cpu().numpy())
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def validation_figures(outputs: dict[str, np.ndarray], targets: np.ndarray) -> dict[str, float]:
    """Detection AUC, macro attribution accuracy and their mean as `score`, on val (where all classes are present).

    Raises:
        StageError: scores that are not numbers, as a network gives whose weights grew without bound.
    """
    if not all(np.isfinite(outputs[name]).all() for name in ("fake_logit", "logits")):
        raise StageError("the model's scores on val are not finite", remedy="Lower the learning rate and run the stage again")
    auc = roc_auc(targets != 0, outputs["fake_logit"][:, 0]) or 0.0
    acc = macro_accuracy(targets, outputs["logits"].argmax(axis=1)) or 0.0
    return {"auc": auc, "attribution_macro_acc": acc, "score": 0.5 * (auc + acc)}
