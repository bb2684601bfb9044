"""Tensors with their facts in one safetensors file: written atomically, read or refused."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazeclip.errors import ArtifactError
from gazeclip.files.atomic import atomic_write, parse_json

if TYPE_CHECKING:
    from torch import Tensor


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any] | None = None
) -> None:
    """Write named tensors as safetensors.

    `meta` travels in the header as one JSON string, sorted, so that bytes repeat.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    header = None
    if meta is not None:
        header = {"meta": json.dumps(meta, sort_keys=True, allow_nan=False)}
    # safetensors refuses views that share storage; each name is to own its values anyway.
    owned = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}

    def write(temporary: Path) -> None:
        try:
            save_file(owned, str(temporary), metadata=header)
        except SafetensorError as error:  # how the library reports a full disk
            raise OSError(errno.EIO, str(error)) from error

    atomic_write(path, write)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote: `(tensors, meta)`.

    Raises:
        ArtifactError: missing, truncated, or not safetensors.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise ArtifactError(f"{path} is missing", remedy="Run the stage that writes it again")
    try:
        with safe_open(str(path), framework="pt") as file:
            meta = parse_json((file.metadata() or {}).get("meta", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactError(
            f"{path} is damaged ({error})", remedy="Run the stage that writes it again"
        ) from error
