"""A run folder and the rule that every stage follows: skip what is up to date, resume what was killed, never show half a result.

A stage works in `.<stage>.partial/` and the folder is renamed to `<stage>/` only when it is complete, with a
`manifest.json` beside its files: what it was made from (SHA-256), the config, versions, metrics and its own files.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from gazeclip import __version__
from gazeclip.checkpoint import fingerprint, read_json, sha256, write_json
from gazeclip.errors import ArtifactError, StageError

MANIFEST = "manifest.json"
RECIPE = "recipe.yaml"
RUNS = Path("runs")
_VERSIONED = ("torch", "timm", "open_clip_torch", "openvino", "nncf", "onnx", "onnxruntime", "coremltools", "litert-torch", "numpy")
# How a user starts each stage alone; the remedy when its output is missing.
COMMANDS = {
    "data": "python -m gazeclip data prepare",
    "teacher": "python -m gazeclip teacher",
    "baseline": "python -m gazeclip baseline",
    "text_bank": "python -m distill text-bank",
    "cache": "python -m distill cache",
    "student": "python -m distill",
    "quantized": "python -m quantize",
    "export": "python -m export --target all",
    "report": "python -m benchmarks",
}


def versions() -> dict[str, str]:
    """Installed versions of the packages that shape results."""
    found = {"gazeclip-edge": __version__}
    for name in _VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def latest_run(root: Path = RUNS) -> Path:
    """The most recently worked-on run folder.

    Raises:
        StageError: there is none.
    """
    candidates = [folder for folder in Path(root).glob("*") if (folder / RECIPE).is_file()]
    if not candidates:
        raise StageError(f"no run under {root}/", remedy="Run first: python -m gazeclip run recipes/demo.yaml")
    return max(candidates, key=lambda folder: (folder / RECIPE).stat().st_mtime_ns)


@dataclass(frozen=True)
class Run:
    """One `runs/<name>/` folder."""

    root: Path

    def folder(self, stage: str) -> Path:
        """Where a stage's finished files lie."""
        return self.root / stage

    def done(self, stage: str) -> bool:
        """Whether the stage has a finished folder."""
        return (self.folder(stage) / MANIFEST).is_file()

    def manifest(self, stage: str) -> dict[str, Any]:
        """The manifest of a finished stage.

        Raises:
            StageError: the stage has not run, with the command that runs it.
        """
        if not self.done(stage):
            command = COMMANDS.get(stage.split("/")[0], "python -m gazeclip run")
            raise StageError(f"stage '{stage}' of {self.root} has not run", remedy=f"Run first: {command} --run {self.root}")
        return dict(read_json(self.folder(stage) / MANIFEST))

    def output_hash(self, stage: str) -> str:
        """One hash over all files of a finished stage."""
        return fingerprint(self.manifest(stage)["outputs"])

    def touch(self) -> None:
        """Mark this run as the most recent one."""
        os.utime(self.root / RECIPE)


def execute(
    run: Run,
    stage: str,
    *,
    config: Any,
    inputs: Mapping[str, str],
    body: Callable[[Path], Mapping[str, Any]],
    say: Callable[[str], None] = print,
    force: bool = False,
) -> bool:
    """Run `body(folder)` unless its result is already there; returns whether it ran.

    Args:
        config: JSON-serialisable; a change makes the stage run again.
        inputs: name -> hash of everything the stage reads (`Run.output_hash`, `sha256`).
        body: writes its files into the folder it is given (which still holds what a killed attempt with the same
            inputs left there) and returns its metrics.
    """
    run.touch()
    made_from = {"stage": stage, "config": config, "inputs": dict(inputs), "version": __version__}
    print_ = fingerprint(made_from)
    if not force and _up_to_date(run, stage, print_):
        say(f"{stage}: up to date")
        return False
    partial = _partial_folder(run, stage, print_, fresh=force)
    started = time.perf_counter()
    metrics = dict(body(partial))
    shutil.rmtree(partial / "resume", ignore_errors=True)
    outputs = {f.relative_to(partial).as_posix(): sha256(f) for f in sorted(partial.rglob("*")) if f.is_file()}
    seconds = round(time.perf_counter() - started, 2)
    write_json(
        partial / MANIFEST,
        {**made_from, "fingerprint": print_, "outputs": outputs, "metrics": metrics, "seconds": seconds, "versions": versions()},
    )
    _publish(partial, run.folder(stage))
    _mark(partial).unlink(missing_ok=True)
    run.touch()
    say(f"{stage}: done in {seconds:.0f} s")
    return True


def _up_to_date(run: Run, stage: str, print_: str) -> bool:
    if not run.done(stage):
        return False
    manifest = run.manifest(stage)
    if manifest.get("fingerprint") != print_:
        return False
    folder = run.folder(stage)
    return all((folder / name).is_file() and sha256(folder / name) == digest for name, digest in manifest["outputs"].items())


def _partial_folder(run: Run, stage: str, print_: str, fresh: bool) -> Path:
    final = run.folder(stage)
    partial = final.parent / f".{final.name}.partial"
    mark = _mark(partial)
    try:
        if partial.is_dir() and (fresh or not mark.is_file() or read_json(mark).get("fingerprint") != print_):
            shutil.rmtree(partial)
        partial.mkdir(parents=True, exist_ok=True)
        (partial / MANIFEST).unlink(missing_ok=True)  # of an attempt that was killed just before it was published
        write_json(mark, {"fingerprint": print_})
    except OSError as error:
        raise ArtifactError(f"cannot write {partial}: {error.strerror}", remedy="Free space or choose another folder") from error
    return partial


def _mark(partial: Path) -> Path:
    """Which inputs a partial folder belongs to. Beside the folder, because an exported bundle lists all of its files."""
    return partial.with_name(f"{partial.name}.json")


def _publish(partial: Path, final: Path) -> None:
    """Swap the finished folder in; the old one leaves first by rename, so there is never a mixture of both."""
    retired = final.parent / f".{final.name}.old"
    shutil.rmtree(retired, ignore_errors=True)
    if final.exists():
        final.rename(retired)
    partial.rename(final)
    shutil.rmtree(retired, ignore_errors=True)
