"""Stage `text_bank`: the LRE's class embeddings, computed once in fp32.

The device never runs a text network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gazeclip.errors import ArtifactError
from gazeclip.files.atomic import read_json, write_json
from gazeclip.files.hashes import sha256
from gazeclip.files.tensors import load_tensors, save_tensors
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run
from gazeclip.stages.load import load_teacher
from gazeclip.system.place import command_line


@dataclass(frozen=True)
class TextBank:
    """embeddings `(C, D)` float32 L2-normalised, levels `(C, 4, D)`, and what they belong to."""

    embeddings: Tensor
    levels: Tensor
    classes: tuple[str, ...]
    prompts: dict[str, list[str]]
    logit_scale: float
    taxonomy_hash: str
    teacher_hash: str

    @classmethod
    def load(cls, folder: Path) -> TextBank:
        """Read a bank.

        Raises:
            ArtifactError: missing, damaged, or rows that do not fit the class list.
        """
        tensors, _ = load_tensors(folder / "text_bank.safetensors")
        facts = read_json(folder / "text_bank.json")
        if len(facts["classes"]) != len(tensors["embeddings"]):
            raise ArtifactError(
                f"{folder} is inconsistent",
                remedy=f"Run: {command_line('distill', 'text-bank', '--force')}",
            )
        return cls(tensors["embeddings"], tensors["levels"], tuple(facts.pop("classes")), **facts)


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `text_bank/`."""
    context = Context(run)
    config = {"taxonomy": context.taxonomy.hash}
    return execute(
        run,
        "text_bank",
        config=config,
        inputs={"teacher": run.output_hash("teacher")},
        body=lambda f: _write_text_bank(context, f),
        force=force,
    )


@torch.inference_mode()
def _write_text_bank(context: Context, folder: Path) -> dict[str, Any]:
    teacher = load_teacher(context)
    embeddings, levels = teacher.encode_text()
    save_tensors(
        folder / "text_bank.safetensors",
        {"embeddings": embeddings.float(), "levels": levels.float()},
    )
    write_json(
        folder / "text_bank.json",
        {
            "classes": list(context.classes),
            "prompts": {name: list(context.taxonomy.prompts(name)) for name in context.classes},
            "logit_scale": float(teacher.logit_scale.exp().clamp(max=100.0)),
            "taxonomy_hash": context.taxonomy.hash,
            "teacher_hash": sha256(context.run.folder("teacher") / "model.safetensors"),
        },
    )
    similarity = embeddings @ embeddings.t() - 2 * torch.eye(len(embeddings))
    return {"classes": len(context.classes), "closest_pair_cosine": float(similarity.max())}
