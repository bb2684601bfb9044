"""What a teacher says of a split's faces under every setting, each image looked at once."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazeclip.console.progress import progress_callback
from gazeclip.data.dataset import Batch, FaceDataset
from gazeclip.errors import StageError
from gazeclip.run.context import Context
from gazeclip.stages.gaze_store import GazeStore, build_gaze_store
from gazeclip.studies.parts.rows import ORDERS, ImageSide, Setting
from gazeclip.studies.parts.switches import close_vpe, leave_out, silence_gaze
from gazeclip.teacher.model import GazeCLIP
from gazeclip.teacher.outputs import VisualOutput
from gazeclip.training.validation import predict

ORDER_SEED = 0  # of the orders in which gazes are exchanged
NAMES = ("fake_logit", "logits")


@dataclass(frozen=True)
class Gazes:
    """Gaze features of a split's N faces, and the orders in which they are exchanged.

    `orders`: `(N,)` each; face i gets the gaze of face `order[i]`.
    """

    store: GazeStore | None
    orders: Sequence[Tensor]


def judge_split(
    context: Context, model: GazeCLIP, split: str, settings: Sequence[Setting]
) -> dict[str, np.ndarray]:
    """`fake_logit (settings, N)` and `logits (settings, N, C)`, float32.

    Raises:
        StageError: the split has no image.
    """
    dataset = FaceDataset(context.manifest, split, context.contract, context.classes)
    if not len(dataset):
        raise StageError(f"there is no image in {split}", remedy="Name another with --split")
    with measure_gazes(model, dataset) as gazes, progress_callback(f"parts on {split}") as update:
        found = predict(
            lambda batch: judge_batch(model, batch, settings, gazes),
            dataset,
            workers=context.recipe.data.workers,
            progress=update,
            names=NAMES,
        )
    # (N, settings, ...) -> (settings, N, ...)
    return {name: np.moveaxis(found[name], 1, 0) for name in NAMES}


@contextlib.contextmanager
def measure_gazes(model: GazeCLIP, dataset: FaceDataset) -> Iterator[Gazes]:
    """The frozen encoder's features of every face, once; kept as long as they are wanted.

    They lie on the disk, in float16 as in training: those of a large split fill more than memory.
    """
    if model.gaze_encoder is None:
        yield Gazes(None, ())
        return
    rng = np.random.default_rng(ORDER_SEED)
    orders = [torch.from_numpy(rng.permutation(len(dataset))) for _ in range(ORDERS)]
    # Windows does not delete files that are still mapped.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        cpu = torch.device("cpu")
        yield Gazes(build_gaze_store(model.gaze_encoder, dataset, Path(folder), cpu), orders)


def judge_batch(
    model: GazeCLIP, batch: Batch, settings: Sequence[Setting], gazes: Gazes
) -> SimpleNamespace:
    """`fake_logit (B, settings)` and `logits (B, settings, C)` of one batch."""
    tokens, said = model.tower.look(batch["pixels"])
    seen: dict[ImageSide, VisualOutput] = {}
    answers = []
    for setting in settings:
        side = setting.image
        if side not in seen:
            features = _find_features(gazes, batch, side.order)
            seen[side] = _perceive(model, side, tokens, said, features)
        with leave_out(model, setting.left_out):
            answers.append(model.score(seen[side], setting.text))
    return SimpleNamespace(
        fake_logit=torch.cat([answer.fake_logit for answer in answers], dim=1),
        logits=torch.stack([answer.logits for answer in answers], dim=1),
    )


def _find_features(gazes: Gazes, batch: Batch, order: int | None) -> Any:
    """Each face's own gaze features, or those of the face that `order` gives it."""
    if gazes.store is None:
        return None
    faces = batch["index"]
    if order is not None:
        faces = gazes.orders[order][faces]
    return gazes.store.find_features(faces, batch["flipped"])


def _perceive(
    model: GazeCLIP, side: ImageSide, tokens: Tensor, said: Tensor | None, features: Any
) -> VisualOutput:
    with contextlib.ExitStack() as switches:
        if not side.gaze:
            switches.enter_context(silence_gaze(model))
        if not side.vpe:
            switches.enter_context(close_vpe(model))
        return model.perceive(tokens, features, said if side.classifiers else None)
