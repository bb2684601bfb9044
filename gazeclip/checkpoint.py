"""Weights as safetensors, everything else as JSON; each file appears whole or not at all, and nothing is ever unpickled."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazeclip.errors import ArtifactError

if TYPE_CHECKING:
    from torch import Tensor


def atomic_write(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write(temporary)` and move the result to `path` once it is on the disk.

    Raises:
        ArtifactError: the disk is full or the folder cannot be written; `path` is then as it was before.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise ArtifactError(f"cannot write {path}: {error.strerror}", remedy="Free space or choose another folder") from error
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise ArtifactError(f"cannot write {path}: {error.strerror}", remedy="Free space or choose another folder") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, its line ends as they are on every system."""
    atomic_write(path, lambda temporary: temporary.write_bytes(text.encode("utf-8")))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_json(path: Path, data: Any) -> None:
    """Write `data` as sorted, indented JSON; NaN and infinity are refused because other readers choke on them."""
    write_text(path, json.dumps(data, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is not JSON, or an object has a key twice, of which readers take either.
    """
    return json.loads(text, object_pairs_hook=_unique_keys)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{repeated}' stands twice")
    return found


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ArtifactError: it is missing or unreadable, is not JSON, or has a key twice in an object.
    """
    try:
        return parse_json(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing", remedy="Run the stage that writes it again") from error
    except OSError as error:
        what = f"{path} cannot be read: {error.strerror}"
        raise ArtifactError(what, remedy="Correct its permissions") from error
    except ValueError as error:
        raise ArtifactError(f"{path} is not valid JSON ({error})", remedy="Run the stage that writes it again") from error


def save_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any] | None = None) -> None:
    """Write named tensors as safetensors; `meta` travels in the header as one JSON string (sorted, so bytes repeat)."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    header = {"meta": json.dumps(meta, sort_keys=True, allow_nan=False)} if meta is not None else None
    # safetensors refuses views that share storage; a checkpoint wants each name to own its values anyway.
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
            return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged ({error})", remedy="Run the stage that writes it again") from error


def sha256(path: Path) -> str:
    """SHA-256 of a file, or of a folder as the hash over its sorted relative names and their hashes."""
    path = Path(path)
    digest = hashlib.sha256()
    if path.is_dir():
        for file in sorted(item for item in path.rglob("*") if item.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()}\0{sha256(file)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def file_inputs(**paths: str | None) -> dict[str, str]:
    """name -> SHA-256 of those values that are files; names of packages, tags and `none` have no content to hash."""
    return {name: sha256(Path(path)) for name, path in paths.items() if path and Path(path).is_file()}


def fingerprint(data: Any) -> str:
    """SHA-256 of a JSON-serialisable value, independent of key order."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, allow_nan=False, default=str).encode()).hexdigest()
