"""Stage `cache`: what the teacher says of every training image, computed once.

Each image is seen under R augmentations that can be replayed.

The idea is MobileCLIP's dataset reinforcement (arXiv:2311.17049): augmentations are kept as
parameters, not pixels, and training the student then never runs the teacher. A finished shard
survives a kill.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazeclip.bundle.layout import OUTPUTS
from gazeclip.console.progress import progress, say
from gazeclip.data.augment import Augmentation, draw_augmentation
from gazeclip.data.dataset import FaceDataset, batches
from gazeclip.errors import ArtifactError
from gazeclip.files.atomic import read_json, write_json
from gazeclip.files.tensors import load_tensors, save_tensors
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run
from gazeclip.stages.load import load_teacher, teacher_function
from gazeclip.system.memory import keep_freed_memory
from gazeclip.system.place import command_line


@dataclass(frozen=True)
class TeacherCache:
    """The teacher's outputs for N images under R augmentations each.

    `tensors[name]` is `(N, R, ...)` float16 for the names of `OUTPUTS`, `parameters` `(N, R, P)`
    float32.
    """

    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> TeacherCache:
        """Read all shards.

        Raises:
            ArtifactError: missing or damaged shards.
        """
        facts = read_json(folder / "cache.json")
        shards = [
            load_tensors(folder / f"shard-{number:05d}.safetensors")[0]
            for number in range(facts["shards"])
        ]
        tensors = {
            name: torch.cat([shard[name] for shard in shards]) for name in (*OUTPUTS, "parameters")
        }
        if len(tensors["parameters"]) != facts["images"]:
            found = f"{len(tensors['parameters'])} of {facts['images']} images"
            raise ArtifactError(
                f"{folder} holds {found}",
                remedy=f"Run: {command_line('distill', 'cache', '--force')}",
            )
        return cls(tensors, facts)

    @property
    def augmentations(self) -> int:
        """R."""
        return int(self.facts["augmentations"])

    def augmentation(self, index: int, number: int) -> Augmentation:
        """The stored augmentation `number` of image `index`."""
        return Augmentation.from_vector(self.tensors["parameters"][index, number].numpy())

    def targets(self, index: Tensor, number: Tensor) -> dict[str, Tensor]:
        """What the teacher said of a batch of keys `(B,)`, in float32."""
        return {name: self.tensors[name][index, number].float() for name in OUTPUTS}


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `cache/`."""
    context = Context(run)
    config = {
        **asdict(context.recipe.cache),
        "contract": context.contract.to_dict(),
        "seed": context.recipe.seed,
    }
    del config["batch_size"]
    inputs = {"teacher": run.output_hash("teacher"), "data": run.output_hash("data")}
    return execute(
        run,
        "cache",
        config=config,
        inputs=inputs,
        body=lambda folder: _write_cache(context, folder),
        force=force,
    )


def _write_cache(context: Context, folder: Path) -> dict[str, Any]:
    stage = context.recipe.cache
    seed = context.recipe.seed
    keep_freed_memory()

    def draw(index: int, number: int) -> Augmentation:
        return draw_augmentation(seed, index, number, stage.strength, "cache")

    dataset = FaceDataset(context.manifest, "train", context.contract, context.classes, draw)
    starts = list(range(0, len(dataset), stage.shard_size))
    teacher = None
    hits = 0  # shards of a killed attempt
    for number, start in enumerate(progress(starts, "teacher cache")):
        path = folder / f"shard-{number:05d}.safetensors"
        if path.is_file():  # complete by construction: files appear whole
            hits += 1
            continue
        teacher = teacher or teacher_function(load_teacher(context))
        indices = range(start, min(start + stage.shard_size, len(dataset)))
        save_tensors(path, _compute_shard(teacher, dataset, indices, context))
        say(f"cache: shard {number + 1} of {len(starts)}")
    facts = {
        "images": len(dataset),
        "augmentations": stage.augmentations,
        "shards": len(starts),
        "classes": list(context.classes),
        "contract": context.contract.to_dict(),
        "teacher": context.run.output_hash("teacher"),
        "data": context.run.output_hash("data"),
    }
    write_json(folder / "cache.json", facts)
    size = sum(file.stat().st_size for file in folder.glob("shard-*"))
    return {
        "size_mb": size / 1e6,
        "bytes_per_sample": size / (len(dataset) * stage.augmentations),
        "shards_reused": hits,
    }


@torch.inference_mode()
def _compute_shard(
    teacher: Any, dataset: FaceDataset, indices: range, context: Context
) -> dict[str, Tensor]:
    stage = context.recipe.cache
    keys = [(index, number) for index in indices for number in range(stage.augmentations)]
    parts: dict[str, list[Tensor]] = {name: [] for name in OUTPUTS}
    for batch in batches(dataset, keys, stage.batch_size, context.recipe.data.workers):
        output = teacher(batch["pixels"])
        for name in OUTPUTS:
            parts[name].append(getattr(output, name))
    # The R keys of an image follow each other: (n * R, ...) -> (n, R, ...).
    shape = (len(indices), stage.augmentations)
    shard = {name: torch.cat(values).half().unflatten(0, shape) for name, values in parts.items()}
    # A teacher without gaze encoder gives NaN angles, which the student's gaze loss leaves out.
    if not all(torch.isfinite(values).all() for name, values in shard.items() if name != "gaze"):
        raise ArtifactError(
            "the teacher's outputs do not fit float16",
            remedy="Train the teacher again with a lower learning rate",
        )
    augmentation = dataset.augmentation
    parameters = (
        np.stack([augmentation(*key).vector() for key in keys]) if augmentation else np.zeros(0)
    )
    return {**shard, "parameters": torch.from_numpy(parameters).unflatten(0, shape)}
