"""Files that appear whole or not at all: text, tables and JSON; nothing is ever unpickled."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gazeclip.console.text import format_json
from gazeclip.errors import ArtifactError

_UMASK_LOCK = threading.Lock()


def atomic_write(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write(temporary)` and move the result to `path` once it is on the disk.

    Raises:
        ArtifactError: the disk is full or the folder cannot be written; `path` is then unchanged.
    """
    _write_beside(Path(path), write, Path.replace)


def atomic_create(path: Path, write: Callable[[Path], object]) -> None:
    """Like `atomic_write`, but never over a file that is there.

    Raises:
        FileExistsError: `path` is there, and is left as it is.
        ArtifactError: as of `atomic_write`.
    """
    _write_beside(Path(path), write, _move_if_free)


def _write_beside(
    path: Path, write: Callable[[Path], object], move: Callable[[Path, Path], object]
) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _describe_refusal(path, error) from error
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_find_umask())  # as any new file; mkstemp's are its owner's only
        move(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        raise _describe_refusal(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _find_umask() -> int:
    """What the user keeps from others; the system tells it only by setting another."""
    with _UMASK_LOCK:  # two threads could take each other's for the user's
        umask = os.umask(0o077)
        os.umask(umask)
    return umask


def _move_if_free(temporary: Path, path: Path) -> None:
    """A second name for the same file is given in one step, and only if it is free."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without links, such as FAT
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        temporary.rename(path)


def _describe_refusal(path: Path, error: OSError) -> ArtifactError:
    remedy = "Free space or choose another folder"
    return ArtifactError(f"cannot write {path}: {error.strerror}", remedy=remedy)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file."""
    atomic_write(path, lambda temporary: temporary.write_bytes(data))


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, its line ends as they are on every system."""
    write_bytes(path, text.encode("utf-8"))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_json(path: Path, data: Any) -> None:
    """Write `data` as sorted, indented JSON.

    Raises:
        ValueError: NaN or infinity.
    """
    write_text(path, format_json(data, sort_keys=True) + "\n")


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is not JSON, or an object has a key twice, of which readers take either.
    """
    return json.loads(text, object_pairs_hook=_refuse_repeated_keys)


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
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
        raise ArtifactError(
            f"{path} is missing", remedy="Run the stage that writes it again"
        ) from error
    except OSError as error:
        what = f"{path} cannot be read: {error.strerror}"
        raise ArtifactError(what, remedy="Correct its permissions") from error
    except ValueError as error:
        raise ArtifactError(
            f"{path} is not valid JSON ({error})", remedy="Run the stage that writes it again"
        ) from error
