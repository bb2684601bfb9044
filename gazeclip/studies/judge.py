"""What a model says of the images of some splits, in the form that figures are computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gazeclip.console.progress import progress_callback
from gazeclip.data.dataset import FaceDataset
from gazeclip.data.manifest import Manifest
from gazeclip.data.rows import Sample
from gazeclip.run.context import Context
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.training.validation import predict

JUDGED = ("fake_logit", "logits")


def judge_splits(
    context: Context,
    model: Callable[[Any], Any],
    manifest: Manifest,
    splits: Sequence[str],
    title: str,
) -> SplitOutputs:
    """Outputs on all images of these splits, one split after the other, with a bar.

    Args:
        model: pixels uint8 `(B, 3, S, S)` -> `fake_logit (B, 1)` and `logits (B, C)`.
        title: of the bar.
    """
    datasets = [FaceDataset(manifest, split, context.contract, context.classes) for split in splits]
    samples = [sample for dataset in datasets for sample in dataset.samples]
    # The first part is for no image at all, so that no image is no special case.
    empty = {"fake_logit": (0, 1), "logits": (0, len(context.classes))}
    parts = [{name: np.zeros(shape, dtype=np.float32) for name, shape in empty.items()}]
    with progress_callback(title) as update:
        before = 0  # images of the splits that are done

        def tell(done: int, _: int) -> None:
            update(before + done, len(samples))

        for dataset in datasets:
            if not len(dataset):
                continue
            found = predict(
                lambda batch: model(batch["pixels"]),
                dataset,
                workers=context.recipe.data.workers,
                progress=tell,
                names=JUDGED,
            )
            parts.append(found)
            before += len(dataset)
    return label_outputs(
        samples, {name: np.concatenate([part[name] for part in parts]) for name in JUDGED}
    )


def label_outputs(samples: Sequence[Sample], arrays: Mapping[str, np.ndarray]) -> SplitOutputs:
    """Outputs with the labels and persons of their images.

    Args:
        samples: N of them.
        arrays: `fake_logit (N,)` or `(N, 1)`, `logits (N, C)`, and of some models `gaze (N, 2)`.
    """
    labels = tuple(sample.label for sample in samples)
    persons = tuple(sample.person for sample in samples)
    return SplitOutputs(arrays["fake_logit"], arrays["logits"], labels, arrays.get("gaze"), persons)
