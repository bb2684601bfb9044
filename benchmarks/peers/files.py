"""The files of the peers: made once, kept in the user's cache, made again for other packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.catalogue import PEERS
from gazeclip.console.progress import progress_callback
from gazeclip.console.text import take_last_line
from gazeclip.errors import GazeClipError, StageError
from gazeclip.files.atomic import read_json, write_json
from gazeclip.files.hashes import fingerprint, sha256
from gazeclip.files.source import hash_source
from gazeclip.run.versions import read_versions
from gazeclip.system.cache import cache_root
from gazeclip.system.place import ROOT

MADE = "made.json"
FOR = "for.json"  # what the files were made by
TARGETS = ("onnx", "openvino", "tflite")
CONVERTER = "benchmarks.peers.convert"
CONVERSION_SECONDS = 1500  # of one network in all its forms
_ROOM_MB = 8000  # of all files together, with what a conversion leaves aside for a while


@dataclass(frozen=True)
class PeerFile:
    """A model file, or the reason why there is none."""

    path: Path | None
    reason: str = ""
    io: Mapping[str, str] | None = None

    @property
    def size_mb(self) -> float | None:
        """Of the file and of its weights beside it."""
        if self.path is None:
            return None
        files = self.path.parent.glob(f"{self.path.stem}.*")
        return sum(file.stat().st_size for file in files) / 1e6


def name_form(target: str, precision: str) -> str:
    """The folder of a form."""
    return f"{target}-{precision}"


def parse_form(form: str) -> tuple[str, str]:
    """The other way round."""
    target, _, precision = form.partition("-")
    return target, precision


def choose_folder() -> Path:
    """`gazeclip/peers` in the user's cache.

    Raises:
        StageError: this user has no home.
    """
    try:
        return cache_root() / "peers"
    except RuntimeError as error:
        what = "the peers' files need a cache, and this user has no home"
        raise StageError(what, remedy="Set XDG_CACHE_HOME to a folder") from error


def prepare_files(
    wanted: Mapping[str, Sequence[str]], root: Path
) -> dict[tuple[str, str], PeerFile]:
    """The files of each network by name and form; those that are missing are made now.

    Args:
        wanted: name -> forms, as `name_form` has them.
        root: the folder that keeps them.
    """
    found = {}
    with progress_callback("peers as files") as update:
        for number, (name, forms) in enumerate(wanted.items()):
            update(number, len(wanted))
            folder = root / _name_folder(name)
            try:
                trouble = _make_missing(name, forms, folder)
            except (GazeClipError, OSError) as error:  # the next one may be there already
                trouble = str(error)
            for form in forms:
                found[name, form] = _read_file(folder / form, trouble)
    return found


def check_room(wanted: Mapping[str, Sequence[str]], root: Path) -> None:
    """Nothing where all files are there already; `wanted` and `root` as in `prepare_files`.

    Raises:
        StageError: there is too little room to make those that are missing.
    """
    for name, forms in wanted.items():
        folder = root / _name_folder(name)
        if not _is_made_by(folder, _describe_makers(name)) or _list_missing(forms, folder):
            _require_room(root)
            return


def _describe_makers(name: str) -> str:
    """One hash of the packages and of the modules that say what is built."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    building = [sha256(path) for path in sources if path.stem in _BUILDING]
    peers = {peer.name for peer in PEERS}
    own = hash_source(_BEHIND_PEERS if name in peers else _BEHIND_STUDENTS)
    return fingerprint({"versions": read_versions(), "source": building, "own": own})


_BUILDING = ("catalogue", "convert", "settle", "students")
# What else of this program decides what is in a file.
_BEHIND_PEERS = ("gazeclip.networks", "gazeclip.teacher", "quantize")
_BEHIND_STUDENTS = ("gazeclip.faces", "gazeclip.networks", "gazeclip.recipe", "quantize", "export")


def _name_folder(name: str) -> str:
    kept = [letter if letter.isalnum() else "-" for letter in name.lower()]
    return "".join(kept)


def _is_made_by(folder: Path, made_by: str) -> bool:
    """Whether what lies there, if anything does, is of these makers."""
    return not (folder / FOR).is_file() or read_json(folder / FOR) == made_by


def _list_missing(forms: Sequence[str], folder: Path) -> list[str]:
    return [form for form in forms if not (folder / form / MADE).is_file()]


def _make_missing(name: str, forms: Sequence[str], folder: Path) -> str:
    """Convert what is not there; why that ended early, if it did."""
    made_by = _describe_makers(name)
    if not _is_made_by(folder, made_by):
        shutil.rmtree(folder)
    missing = _list_missing(forms, folder)
    if not missing:
        return ""
    _require_room(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FOR, made_by)
    command = [sys.executable, "-m", CONVERTER, name, str(folder), *missing]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=CONVERSION_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return _remember_slowness(folder, missing)
    if done.returncode < 0:
        return f"the conversion was ended by signal {-done.returncode}"
    if done.returncode > 0:
        return f"the conversion failed: {take_last_line(done.stderr)}"
    return ""


def _remember_slowness(folder: Path, missing: Sequence[str]) -> str:
    """Write down which form was being made, so that no other report waits for it; why, in words."""
    unfinished = _list_missing(missing, folder)
    if not unfinished:
        return ""  # it was done at the last moment
    place = folder / unfinished[0]
    reason = f"it took more than {CONVERSION_SECONDS} s"
    place.mkdir(exist_ok=True)
    write_json(place / MADE, {"reason": reason})
    return reason


def _require_room(folder: Path) -> None:
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free / 1e6
    if free < _ROOM_MB:
        raise StageError(
            f"the peers' files need up to {_ROOM_MB} MB, and {there} has {free:.0f} MB left",
            remedy="Make room, or set XDG_CACHE_HOME to a larger disk",
        )


def _read_file(place: Path, trouble: str) -> PeerFile:
    if not (place / MADE).is_file():
        return PeerFile(None, trouble or "it was not made")
    made: dict[str, Any] = read_json(place / MADE)
    if "model" not in made:
        return PeerFile(None, str(made["reason"]))
    return PeerFile(place / made["model"], io=made["io"])
