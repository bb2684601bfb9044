"""The files of a teacher: its weights, and what is needed to build the network around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gazeclip.errors import ArtifactError
from gazeclip.files.atomic import read_json, write_json
from gazeclip.files.hashes import name_weights_by_content
from gazeclip.files.tensors import load_tensors, save_tensors
from gazeclip.recipe.teacher import TeacherConfig

MODEL_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
KIND = "gazeclip-teacher"


@dataclass(frozen=True)
class StoredTeacher:
    """A teacher at rest.

    `gaze`: whether its gaze encoder is `pretrained`, and the `origin` of those weights; None
    without encoder.
    """

    config: TeacherConfig
    prompts: Sequence[Sequence[str]]
    image_size: int
    gaze: Mapping[str, Any] | None
    tensors: Mapping[str, Tensor]


def write_teacher(folder: Path, stored: StoredTeacher) -> None:
    """Write `model.safetensors` (frozen gaze weights included) and `config.json`.

    There weight files are named by their content: the folder's hash is the same wherever they lay.
    """
    save_tensors(folder / MODEL_FILE, stored.tensors, {"kind": KIND})
    data = {
        "kind": KIND,
        "config": name_weights_by_content(stored.config.to_dict()),
        "prompts": stored.prompts,
        "image_size": stored.image_size,
        "gaze": stored.gaze,
    }
    write_json(folder / CONFIG_FILE, data)


def read_teacher(folder: Path) -> StoredTeacher:
    """The inverse of `write_teacher`.

    Raises:
        ArtifactError: a file is missing, damaged or of another kind.
    """
    data = read_json(folder / CONFIG_FILE)
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise ArtifactError(
            f"{folder / CONFIG_FILE} does not describe a teacher",
            remedy="Run the teacher stage again",
        )
    tensors, _ = load_tensors(folder / MODEL_FILE)
    return StoredTeacher(
        config=TeacherConfig.from_dict(data["config"]),
        prompts=data["prompts"],
        image_size=data["image_size"],
        gaze=data["gaze"],
        tensors=tensors,
    )
