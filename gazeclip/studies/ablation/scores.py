"""Raw scores of a trained teacher on the test splits, kept beside the run.

Every face is scored with its own gaze and, where the teacher has gaze, with that of other faces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gazeclip import __version__
from gazeclip.console.progress import say
from gazeclip.data.dataset import Batch, FaceDataset
from gazeclip.files.atomic import read_json, write_json
from gazeclip.files.hashes import sha256
from gazeclip.run.context import Context
from gazeclip.run.folder import Run
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.stages.backbone import load_backbone_stage
from gazeclip.stages.cnn_store import stores_for
from gazeclip.stages.gaze_store import build_gaze_store, store_name
from gazeclip.stages.load import load_teacher
from gazeclip.studies.ablation.grid import BACKBONE, CNN
from gazeclip.studies.ablation.probe import KINDS, score_probes
from gazeclip.studies.judge import judge_splits, label_outputs
from gazeclip.training.validation import predict

SPLITS = ("test", "test_unseen")
SHUFFLES = 20  # orders in which the faces of a split exchange their gaze
SHUFFLE_SEED = 0  # the same for all variants and seeds, which are compared on these orders
Arrays = dict[str, np.ndarray]
Gates = dict[str, list[float]]


@dataclass(frozen=True)
class Answers:
    """What a model said of N faces in several ways.

    `fake_logit (several, N)`, and the number of the class, `predicted (several, N)`.
    """

    fake_logit: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class Scores:
    """A model's outputs per split.

    Of a teacher with gaze also its answers with gazes exchanged, and where its gates are.
    """

    outputs: dict[str, SplitOutputs]
    exchanged: dict[str, Answers] | None
    gates: Gates


class _Judgement(NamedTuple):
    """One batch: `fake_logit (B, 1)`, `logits (B, C)`; with others' gaze `(B, SHUFFLES)` each."""

    fake_logit: Tensor
    logits: Tensor
    exchanged_fake_logit: Tensor | None
    exchanged_predicted: Tensor | None


def score_teacher(run: Run, gaze_features: Path, cnn_features: Path) -> Scores:
    """Scores of the run's teacher.

    The two folders are where the grid keeps what its frozen encoders and CNNs give.
    """
    note, arrays = _load_or_make(
        run,
        "teacher",
        "teacher",
        lambda context: _judge_teacher(context, gaze_features, cnn_features),
    )
    context = Context(run)
    exchanged = None
    with np.load(arrays) as found:
        if "test_exchanged_fake_logit" in found:
            exchanged = {
                split: Answers(
                    found[f"{split}_exchanged_fake_logit"], found[f"{split}_exchanged_predicted"]
                )
                for split in SPLITS
            }
        return Scores(_read_splits(context, found), exchanged, note["gates"])


def score_backbones(run: Run) -> dict[str, Scores]:
    """Scores of the run's CNNs as stage `backbone` left them, by the name of the control.

    All of them together and, where there are several, each by itself.
    """
    _, arrays = _load_or_make(
        run, "backbone", "backbone", lambda context: (_judge_backbones(context), {})
    )
    context = Context(run)
    model = context.recipe.teacher.model
    names = [BACKBONE.name]
    if model.extra_sizes:
        names += [f"{CNN}{number}" for number in range(1, len(model.sizes) + 1)]
    with np.load(arrays) as found:
        return {name: Scores(_read_splits(context, found, f"{name}_"), None, {}) for name in names}


def score_gaze_alone(run: Run, gaze_features: Path) -> dict[str, Scores]:
    """Scores by gaze alone, by kind of probe, of a run whose teacher has gaze."""
    _, arrays = _load_or_make(
        run, "probe", "teacher", lambda context: (score_probes(context, SPLITS, gaze_features), {})
    )
    context = Context(run)
    with np.load(arrays) as found:
        return {kind: Scores(_read_splits(context, found, f"{kind}_"), None, {}) for kind in KINDS}


def _load_or_make(
    run: Run, name: str, stage: str, make: Callable[[Context], tuple[Arrays, Gates]]
) -> tuple[dict[str, Any], Path]:
    """Note and arrays of `name`; computed once, until `stage` is trained again."""
    note = run.root / f"scores_{name}.json"
    arrays = run.root / f"scores_{name}.npz"
    made_from = {
        "model": run.output_hash(stage),
        # Test images can change without any in training, and so without the model.
        "data": run.output_hash("data"),
        "exchanges": SHUFFLES,
        "probes": KINDS,
        "version": __version__,
    }
    kept: Any = read_json(note) if note.is_file() and arrays.is_file() else {}
    if kept.get("made_from") != made_from or kept.get("arrays") != sha256(arrays):
        made, gates = make(Context(run))
        _write_arrays(arrays, made)
        kept = {"made_from": made_from, "arrays": sha256(arrays), "gates": gates}
        write_json(note, kept)
        say(f"ablation: scored {name} of {run.name}")
    return kept, arrays


def _write_arrays(path: Path, arrays: Arrays) -> None:
    made = path.with_suffix(".partial.npz")
    np.savez_compressed(made, **arrays)  # type: ignore[arg-type]
    made.replace(path)


def _read_splits(context: Context, found: Any, prefix: str = "") -> dict[str, SplitOutputs]:
    """`<prefix><split>_fake_logit` and `..._logits` of an open archive, with their labels."""
    outputs = {}
    for split in SPLITS:
        arrays = {name: found[f"{prefix}{split}_{name}"] for name in ("fake_logit", "logits")}
        outputs[split] = label_outputs(context.manifest.split(split), arrays)
    return outputs


def _judge_backbones(context: Context) -> Arrays:
    together = load_backbone_stage(context)
    models: dict[str, Any] = {BACKBONE.name: together}
    if len(together.members) > 1:
        for number, member in enumerate(together.members, start=1):
            models[f"{CNN}{number}"] = member
    arrays: Arrays = {}
    for name, model in models.items():
        for split in SPLITS:
            title = f"{name} on {split}"
            found = judge_splits(context, model, context.manifest, (split,), title)
            arrays[f"{name}_{split}_fake_logit"] = found.fake_logit
            arrays[f"{name}_{split}_logits"] = found.logits
    return arrays


def _judge_teacher(
    context: Context, gaze_features: Path, cnn_features: Path
) -> tuple[Arrays, Gates]:
    model = load_teacher(context)
    cnns = stores_for(context, model, cnn_features)
    arrays: Arrays = {}
    for split in SPLITS:
        with torch.inference_mode():
            found = _judge_with_exchanges(model, split, context, gaze_features, cnns)
        arrays |= {f"{split}_{name}": values for name, values in found.items()}
    return arrays, model.read_gates()


def _judge_with_exchanges(
    model: Any, split: str, context: Context, gaze_features: Path, cnns: Any
) -> Arrays:
    """`fake_logit (N, 1)`, `logits (N, C)` and, for a teacher with gaze, both with others' gaze.

    Those are `exchanged_fake_logit` and `exchanged_predicted`, `(SHUFFLES, N)` each.
    """
    dataset = FaceDataset(context.manifest, split, context.contract, context.classes)
    if not len(dataset):
        return _judge_nothing(model)
    text = model.encode_text()[0]
    store = None
    orders: list[Tensor] = []
    names = ["fake_logit", "logits"]
    if model.gaze_encoder is not None:
        folder = gaze_features / store_name(context, model.gaze_encoder, split)
        store = build_gaze_store(model.gaze_encoder, dataset, folder, torch.device("cpu"))
        rng = np.random.default_rng(SHUFFLE_SEED)
        orders = [torch.from_numpy(rng.permutation(len(dataset))) for _ in range(SHUFFLES)]
        names += ["exchanged_fake_logit", "exchanged_predicted"]

    def judge_batch(batch: Batch) -> _Judgement:
        # The image is looked at once; only the gaze that goes with it differs.
        if cnns is None:
            tokens, said = model.tower.look(batch["pixels"])
        else:
            tokens, said = model.tower.read(cnns.find_seen(split, batch))

        def score(faces: Tensor) -> Any:
            """With the gaze of the faces of these numbers `(B,)`."""
            gaze = None if store is None else store.find_features(faces, batch["flipped"])
            return model.score(model.perceive(tokens, gaze, said), text)

        own = score(batch["index"])
        return _join_judgements(own, [score(order[batch["index"]]) for order in orders])

    arrays = predict(judge_batch, dataset, workers=context.recipe.data.workers, names=names)
    if orders:  # from (N, SHUFFLES), as they came image by image
        arrays["exchanged_fake_logit"] = arrays["exchanged_fake_logit"].T
        arrays["exchanged_predicted"] = arrays["exchanged_predicted"].T.astype(np.int16)
    return arrays


def _join_judgements(own: Any, others: list[Any]) -> _Judgement:
    """What a batch is with its own gaze `(B, ...)`, and beside it with others' `(B, SHUFFLES)`."""
    if not others:
        return _Judgement(own.fake_logit, own.logits, None, None)
    return _Judgement(
        own.fake_logit,
        own.logits,
        torch.stack([other.fake_logit[:, 0] for other in others], dim=1),
        torch.stack([other.logits.argmax(1) for other in others], dim=1),
    )


def _judge_nothing(model: Any) -> Arrays:
    """What `_judge_with_exchanges` gives for a split without images."""
    arrays = {"fake_logit": np.zeros(0), "logits": np.zeros((0, model.classes))}
    if model.gaze_encoder is not None:
        arrays["exchanged_fake_logit"] = np.zeros((SHUFFLES, 0))
        arrays["exchanged_predicted"] = np.zeros((SHUFFLES, 0))
    return arrays
