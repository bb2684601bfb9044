"""Raw scores of a trained teacher on the test splits, with every face's own gaze and with that of
others; kept beside the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gazeclip import __version__
from gazeclip.console.progress import say
from gazeclip.files.atomic import read_json, write_json
from gazeclip.files.hashes import sha256
from gazeclip.run.context import Context
from gazeclip.run.folder import Run
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.studies.ablation.grid import BACKBONE, CNN
from gazeclip.studies.ablation.probe import KINDS, probe

SPLITS = ("test", "test_unseen")
Arrays = dict[str, np.ndarray]
Gates = dict[str, list[float]]
SHUFFLES = 20  # orders in which the faces of a split exchange their gaze


@dataclass(frozen=True)
class Answers:
    """What a model said of N faces in several ways: `fake_logit (several, N)` and the number of the
    class, `predicted (several, N)`.
    """

    fake_logit: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class Scores:
    """A model's outputs per split; of a teacher with gaze also its answers with gazes exchanged,
    and where its gates are.
    """

    outputs: dict[str, SplitOutputs]
    exchanged: dict[str, Answers] | None
    gates: Gates


def scores_of(run: Run, gaze_features: Path, cnn_features: Path) -> Scores:
    """Scores of the run's teacher; the two folders are where the grid keeps what its frozen
    encoders and CNNs give.
    """
    note, arrays = _kept(
        run, "teacher", "teacher", lambda context: _teacher(context, gaze_features, cnn_features)
    )
    context = Context(run)
    with np.load(arrays) as found:
        names = [f"exchanged_{name}" for name in ("fake_logit", "predicted")]
        exchanged = (
            {split: Answers(*(found[f"{split}_{name}"] for name in names)) for split in SPLITS}
            if f"test_{names[0]}" in found
            else None
        )
        return Scores(
            {split: _outputs(context, split, found) for split in SPLITS}, exchanged, note["gates"]
        )


def backbone_scores(run: Run) -> dict[str, Scores]:
    """Scores of the run's CNNs as stage `backbone` left them, together and, of several, each; by
    the name of the control.
    """
    _, arrays = _kept(run, "backbone", "backbone", lambda context: (_cnns(context), {}))
    context = Context(run)
    several = (
        range(1, len(context.recipe.teacher.model.sizes) + 1)
        if context.recipe.teacher.model.extra_sizes
        else ()
    )
    names = [BACKBONE.name, *(f"{CNN}{number}" for number in several)]
    with np.load(arrays) as found:
        return {
            name: Scores(
                {split: _outputs(context, split, found, f"{name}_") for split in SPLITS}, None, {}
            )
            for name in names
        }


def probe_scores(run: Run, gaze_features: Path) -> dict[str, Scores]:
    """Scores by gaze alone, by kind of probe, of a run whose teacher has gaze."""
    _, arrays = _kept(
        run, "probe", "teacher", lambda context: (probe(context, SPLITS, gaze_features), {})
    )
    context = Context(run)
    with np.load(arrays) as found:
        return {
            kind: Scores(
                {split: _outputs(context, split, found, f"{kind}_") for split in SPLITS}, None, {}
            )
            for kind in KINDS
        }


def _kept(
    run: Run, name: str, stage: str, make: Callable[[Context], tuple[Arrays, Gates]]
) -> tuple[dict[str, Any], Path]:
    """Note and arrays of `name`; computed once, until `stage` is trained again."""
    note, arrays = run.root / f"scores_{name}.json", run.root / f"scores_{name}.npz"
    # The data as well: test images can change without any in training, and so without the model.
    made_from = {
        "model": run.output_hash(stage),
        "data": run.output_hash("data"),
        "exchanges": SHUFFLES,
        "probes": KINDS,
        "version": __version__,
    }
    kept: Any = read_json(note) if note.is_file() and arrays.is_file() else {}
    if kept.get("made_from") != made_from or kept.get("arrays") != sha256(arrays):
        made, gates = make(Context(run))
        _write(arrays, made)
        kept = {"made_from": made_from, "arrays": sha256(arrays), "gates": gates}
        write_json(note, kept)
        say(f"ablation: scored {name} of {run.name}")
    return kept, arrays


def _outputs(context: Context, split: str, found: Any, prefix: str = "") -> SplitOutputs:
    samples = context.manifest.split(split)
    labels, people = (
        tuple(sample.label for sample in samples),
        tuple(sample.person for sample in samples),
    )
    return SplitOutputs(
        found[f"{prefix}{split}_fake_logit"],
        found[f"{prefix}{split}_logits"],
        labels,
        identities=people,
    )


def _write(path: Path, arrays: Arrays) -> None:
    made = path.with_suffix(".partial.npz")
    np.savez_compressed(made, **arrays)  # type: ignore[arg-type]
    made.replace(path)


def _cnns(context: Context) -> Arrays:
    from gazeclip.stages.backbone import load_backbone_stage
    from gazeclip.studies.protocol.command import outputs_on

    together, arrays = load_backbone_stage(context), dict[str, np.ndarray]()
    models: dict[str, Any] = {BACKBONE.name: together}
    if len(together.members) > 1:
        models |= {
            f"{CNN}{number}": member for number, member in enumerate(together.members, start=1)
        }
    for name, model in models.items():
        for split in SPLITS:
            found = outputs_on(context, model, context.manifest, (split,), f"{name} on {split}")
            arrays |= {
                f"{name}_{split}_fake_logit": found.fake_logit,
                f"{name}_{split}_logits": found.logits,
            }
    return arrays


def _teacher(context: Context, gaze_features: Path, cnn_features: Path) -> tuple[Arrays, Gates]:
    import torch

    from gazeclip.stages.cnn_store import stores_for
    from gazeclip.stages.load import load_teacher

    model = load_teacher(context)
    cnns = stores_for(context, model, cnn_features)
    arrays: Arrays = {}
    for split in SPLITS:
        with torch.inference_mode():
            arrays |= {
                f"{split}_{name}": values
                for name, values in _split_scores(
                    model, split, context, gaze_features, cnns
                ).items()
            }
    return arrays, model.gates()


def _split_scores(
    model: Any, split: str, context: Context, gaze_features: Path, cnns: Any
) -> Arrays:
    """`fake_logit (N, 1)`, `logits (N, C)` and, for a teacher with gaze, `exchanged_fake_logit` and
    `exchanged_predicted (SHUFFLES, N)`.
    """
    import torch

    from gazeclip.data.dataset import FaceDataset, batches, plain_keys
    from gazeclip.stages.gaze_store import build_gaze_store, store_name

    dataset = FaceDataset(context.manifest, split, context.contract, context.classes)
    if not len(dataset):
        empty = {"fake_logit": np.zeros(0), "logits": np.zeros((0, model.classes))}
        none = {
            f"exchanged_{name}": np.zeros((SHUFFLES, 0)) for name in ("fake_logit", "predicted")
        }
        return empty | (none if model.gaze_encoder is not None else {})

    text, store, orders = model.encode_text()[0], None, []
    if model.gaze_encoder is not None:
        folder = gaze_features / store_name(context, model.gaze_encoder, split)
        store = build_gaze_store(model.gaze_encoder, dataset, folder, torch.device("cpu"))
        rng = np.random.default_rng(
            0
        )  # the same for all variants and seeds, which are compared on them
        orders = [torch.from_numpy(rng.permutation(len(dataset))) for _ in range(SHUFFLES)]
    parts, fake, predicted = [], [], []
    for batch in batches(dataset, plain_keys(len(dataset)), 64, context.recipe.data.workers):
        tokens, said = (
            model.tower.look(batch["pixels"])
            if cnns is None
            else model.tower.read(cnns.seen(split, batch))
        )
        index, plain = batch["index"], batch["flipped"]
        parts.append(
            model.score(
                model.perceive(
                    tokens, store.features(index, plain) if store is not None else None, said
                ),
                text,
            )
        )
        others = [
            model.score(model.perceive(tokens, store.features(order[index], plain), said), text)
            for order in orders
            if store is not None
        ]
        fake += [torch.stack([other.fake_logit[:, 0] for other in others])] if others else []
        predicted += [torch.stack([other.logits.argmax(1) for other in others])] if others else []
    arrays = {
        name: torch.cat([getattr(part, name) for part in parts]).numpy()
        for name in ("fake_logit", "logits")
    }
    if fake:
        arrays |= {
            "exchanged_fake_logit": torch.cat(fake, 1).numpy(),
            "exchanged_predicted": torch.cat(predicted, 1).numpy().astype(np.int16),
        }
    return arrays
