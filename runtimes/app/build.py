"""Builds the page around a bundle with npm; whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.gate import is_rejected, refuse_rejected
from gazeclip.bundle.layout import MANIFEST, Precision
from gazeclip.bundle.trust import load_trusted
from gazeclip.console.progress import say
from gazeclip.errors import ConfigError, MissingDependencyError, StageError
from gazeclip.run.stages import SHIPPED, bundle_stage
from gazeclip.system.place import ROOT
from runtimes.faces.network import MODEL, MODEL_SHA256

SOURCE = ROOT / "apps" / "web"
BUILT = "dist"
INDEX = "index.html"
_PARTIAL = "dist.partial"
_LOCK = "package-lock.json"
_STAMP = Path("node_modules") / ".lock.sha256"
_TARGET = "onnx"
# What computes in float, the smaller file first.
_TWINS: tuple[Precision, ...] = ("w8", "fp32")
_STUDENT = ("student", "data_manifest", "taxonomy")
_LAST_LINES = 4  # of npm's complaint


def build_page(bundle_folder: Path, source: Path = SOURCE, trusted: Path | None = None) -> Path:
    """The built page's folder, with a copy of the bundle and of the face detector inside.

    Beside a run's INT8 bundle one that computes in float is packed too, where the run has it: which
    of them is faster depends on the browser.

    Args:
        bundle_folder: an ONNX bundle; every hash is checked.
        source: the page's source.
        trusted: as of `load_trusted`; the twin must be signed as well.

    Raises:
        BundleError: the bundle or its twin is not whole, is not signed by the key that is pinned,
            or the forensic gate rejected it.
        ConfigError: it is no ONNX bundle, or the page's source is not here.
        MissingDependencyError: npm is not installed.
        StageError: npm failed.
    """
    if not (source / _LOCK).is_file():
        what = f"the page's source is not here ({source})"
        raise ConfigError(what, remedy="Build it in a checkout; the wheel does not carry it")
    npm = shutil.which("npm")
    if npm is None:
        what = "building the page needs npm, which is not installed"
        raise MissingDependencyError(what, remedy="Install Node.js 20 or later")
    bundle = load_trusted(bundle_folder, trusted)
    refuse_rejected(bundle.folder, bundle.meta)
    if bundle.target != _TARGET:
        what = f"{bundle_folder} is a bundle for {bundle.target}, and the page runs ONNX"
        raise ConfigError(what, remedy="Name an ONNX bundle with --bundle")
    if bundle.bank_input is not None:
        what = f"{bundle_folder} takes its text bank from outside, and the page has none to give"
        raise ConfigError(what, remedy="Name a bundle that was exported with --text-bank baked")
    twin = find_twin(bundle, trusted)
    _install_packages(npm, source)
    beside = f" and {twin.name}" if twin else ""
    say(f"building the page around {bundle_folder}{beside}")
    partial = source / _PARTIAL
    settings = {
        "GAZECLIP_BUNDLE": str(bundle.folder.resolve()),
        "GAZECLIP_TWIN": str(twin.resolve()) if twin else "",
        "GAZECLIP_DETECTOR": str(MODEL),
        "GAZECLIP_DETECTOR_SHA256": MODEL_SHA256,
        "GAZECLIP_OUT": str(partial.resolve()),
    }
    _run([npm, "run", "--silent", "build"], source, settings)
    built = source / BUILT
    shutil.rmtree(built, ignore_errors=True)
    partial.rename(built)
    return built


def find_twin(bundle: Bundle, trusted: Path | None = None) -> Path | None:
    """What the same run exported from the same student beside its INT8 bundle: w8, else fp32.

    Raises:
        BundleError: it is there, and not whole or not signed by the key that is pinned.
    """
    if bundle.precision != SHIPPED:
        return None
    for precision in _TWINS:
        folder = bundle.folder.parent / Path(bundle_stage(_TARGET, precision)).name
        if not (folder / MANIFEST).is_file():
            continue
        twin = load_trusted(folder, trusted)
        if _describe_student(twin) != _describe_student(bundle):
            say(f"left out {folder}: it was made from another student than {bundle.folder.name}")
        elif twin.bank_input is not None:
            say(f"left out {folder}: it takes its text bank from outside")
        elif is_rejected(twin.meta):
            say(f"left out {folder}: the forensic gate rejected it")
        else:
            return folder
    return None


def _describe_student(bundle: Bundle) -> list[str | None]:
    """What all precisions of one student have in common; INT8 is made from further files."""
    return [bundle.meta["provenance"].get(f"{name}_sha256") for name in _STUDENT]


def _install_packages(npm: str, source: Path) -> None:
    """What the lock file names, unless it is there already."""
    digest = hashlib.sha256((source / _LOCK).read_bytes()).hexdigest()
    stamp = source / _STAMP
    if stamp.is_file() and stamp.read_text(encoding="ascii") == digest:
        return
    say("installing the page's packages by its lock file")
    _run([npm, "ci", "--no-audit", "--no-fund"], source, {})
    stamp.write_text(digest, encoding="ascii")


def _run(command: list[str], folder: Path, settings: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        what = f"{Path(command[0]).name} {command[1]} failed ({'; '.join(said[-_LAST_LINES:])})"
        raise StageError(what, remedy=f"Look into it in {folder}")
