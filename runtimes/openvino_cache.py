"""Networks that OpenVINO has compiled before, taken from the user's cache instead of compiled anew.

OpenVINO's own cache takes what lies in it unchecked. This one

- finds an entry by a hash of all that it was made from: the bytes of the network's files, the
  settings, the library's build and the processor, so that no other network can be meant;
- reads it only from a folder and a file that belong to this user and that nobody else may write to;
- compares all its bytes with a hash in front of them before the library sees any.

Who can write there nevertheless is this user, who can change this program as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gazeclip.errors import ArtifactError
from gazeclip.files.atomic import write_bytes
from gazeclip.system.cache import cache_root, make_private_folder, read_private_file
from runtimes.openvino_core import import_openvino, share_core

SWITCH = "GAZECLIP_MODEL_CACHE"
OFF = "off"
_DEVICE = "CPU"
_ENDING = ".compiled"
_KEPT = 16  # entries, of some megabytes each
_DIGEST = 32  # bytes


def compile_for_cpu(files: Sequence[Path], settings: Mapping[str, Any]) -> Any:
    """A compiled model on the CPU, from the cache if it is there.

    Args:
        files: the network's, the one that names the others first.
        settings: as OpenVINO takes them.

    Raises:
        RuntimeError: OpenVINO cannot load the network.
    """
    core = share_core()
    folder = _find_folder()
    key = None if folder is None else _name_entry(files, settings)
    if folder is None or key is None:
        return core.compile_model(core.read_model(str(files[0])), _DEVICE, dict(settings))
    path = folder / f"{key.hex()}{_ENDING}"
    compiled = _load_entry(path, key, settings)
    if compiled is None:
        compiled = core.compile_model(core.read_model(str(files[0])), _DEVICE, dict(settings))
        if key == _name_entry(files, settings):  # else the files were changed meanwhile
            _keep_entry(path, key, compiled)
    return compiled


def _find_folder() -> Path | None:
    """Where entries lie; None where there can be none, or is to be none."""
    if os.environ.get(SWITCH, "").lower() == OFF:
        return None
    with contextlib.suppress(OSError, RuntimeError):
        folder = cache_root() / "openvino"
        if make_private_folder(folder):
            return folder
    return None


def _name_entry(files: Sequence[Path], settings: Mapping[str, Any]) -> bytes | None:
    """A hash of everything that a compiled network depends on; None: a file cannot be read."""
    core = share_core()
    asked = ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")
    try:
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    except OSError:
        return None
    made_from = {
        "files": digests,
        "settings": {name: str(value) for name, value in settings.items()},
        "library": import_openvino().get_version(),
        "processor": [str(core.get_property(_DEVICE, name)) for name in asked],
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).digest()


def _load_entry(path: Path, key: bytes, settings: Mapping[str, Any]) -> Any | None:
    with contextlib.suppress(OSError, RuntimeError):  # not there, or not for this library after all
        data = read_private_file(path)
        if data is not None and data[:_DIGEST] == _sign(key, data[_DIGEST:]):
            return share_core().import_model(data[_DIGEST:], _DEVICE, dict(settings))
    return None


def _keep_entry(path: Path, key: bytes, compiled: Any) -> None:
    """Write an entry and drop the oldest; a cache that cannot be written is none."""
    with contextlib.suppress(OSError, RuntimeError, ArtifactError):
        data = compiled.export_model().getvalue()
        write_bytes(path, _sign(key, data) + data)
        path.chmod(0o600)
        entries = sorted(path.parent.glob(f"*{_ENDING}"), key=lambda entry: entry.stat().st_mtime)
        for entry in entries[:-_KEPT]:
            entry.unlink(missing_ok=True)


def _sign(key: bytes, data: bytes) -> bytes:
    """What stands before an entry's bytes: they are whole, and this key's."""
    return hashlib.sha256(key + data).digest()
