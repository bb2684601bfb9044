"""A run folder and the rule that every stage follows: skip what is up to date, resume what was killed, never show half a result.

A stage works in `.<stage>.partial/` and the folder is renamed to `<stage>/` only when it is complete, with a
`manifest.json` beside its files: what it was made from (SHA-256), the config, versions, metrics and its own files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from gazeclip import __version__, ranks
from gazeclip.checkpoint import fingerprint, read_json, sha256, write_json
from gazeclip.disk import disk_faults_named
from gazeclip.errors import ArtifactError, ConfigError, StageError

MANIFEST = "manifest.json"
RECIPE = "recipe.yaml"
RESUME = "resume"  # inside a stage's work folder: what only a killed attempt needs
RUNS = Path("runs")
_VERSIONED = ("torch", "timm", "open_clip_torch", "openvino", "nncf", "onnx", "onnxruntime", "coremltools", "litert-torch", "numpy")
# How a user starts each stage alone; the remedy when its output is missing.
COMMANDS = {
    "data": "python -m gazeclip data prepare",
    "backbone": "python -m gazeclip backbone",
    "teacher": "python -m gazeclip teacher",
    "baseline": "python -m gazeclip baseline",
    "text_bank": "python -m distill text-bank",
    "cache": "python -m distill cache",
    "student": "python -m distill",
    "quantized": "python -m quantize",
    "export": "python -m export --target all",
    "report": "python -m benchmarks",
}


def command(stage: str) -> str:
    """The command that makes one stage; `export/<target>-<precision>` names a bundle."""
    kind, _, name = stage.partition("/")
    if kind == "export" and name:
        target, _, precision = name.partition("-")
        return f"python -m export --target {target} --precision {precision or 'int8'}"
    return COMMANDS.get(kind, "python -m gazeclip run")


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

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.root.resolve().name

    def folder(self, stage: str) -> Path:
        """Where a stage's finished files lie."""
        return self.root / stage

    def partial(self, stage: str) -> Path:
        """Where a stage works until it is complete."""
        final = self.folder(stage)
        return final.parent / f".{final.name}.partial"

    def done(self, stage: str) -> bool:
        """Whether the stage has a finished folder."""
        return (self.folder(stage) / MANIFEST).is_file()

    def manifest(self, stage: str) -> dict[str, Any]:
        """The manifest of a finished stage.

        Raises:
            StageError: the stage has not run, with the command that runs it.
        """
        if not self.done(stage):
            raise StageError(f"stage '{stage}' of {self.root} has not run", remedy=f"Run first: {command(stage)} --run {self.root}")
        return dict(read_json(self.folder(stage) / MANIFEST))

    def output_hash(self, stage: str) -> str:
        """One hash over all files of a finished stage.

        Raises:
            StageError: the stage has not run, or what it was made from has changed since: building on it would mix two runs.
        """
        manifest = self.manifest(stage)
        for name, digest in manifest["inputs"].items():
            if name in COMMANDS and self.output_hash(name) != digest:
                raise StageError(
                    f"stage '{stage}' of {self.root} was made from another '{name}' than the one that is there",
                    remedy=f"Run first: {command(stage)} --run {self.root}",
                )
        return fingerprint(manifest["outputs"])

    def touch(self) -> None:
        """Mark this run as the most recent one; one that may only be read stays as it is."""
        with contextlib.suppress(OSError):
            os.utime(self.root / RECIPE)


_locks: dict[Path, int] = {}  # of this process: folder -> descriptor


def _drop_locks() -> None:
    """A forked worker shares its parent's locks, and would keep them after the parent has let go or was killed."""
    for handle in _locks.values():
        os.close(handle)
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_locks)


@contextlib.contextmanager
def lock(run: Run) -> Iterator[None]:
    """One process (or one group of ranks) works on a run folder; inside this, also `lock` itself passes.

    A command holds it from before it changes the recipe to the end of its last stage. The system drops it with the process.
    A folder that may only be read needs none: nothing in it can be changed by this process.

    Raises:
        StageError: another process holds it.
        ArtifactError: the folder cannot be made.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        fcntl = None  # type: ignore[assignment]
    root = run.root.absolute()
    read_only = root.is_dir() and not os.access(root, os.W_OK)
    if fcntl is None or not ranks.is_main() or root in _locks or read_only:
        yield
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root, os.O_RDONLY)
    except OSError as error:
        raise ArtifactError(f"cannot write {run.root}: {error.strerror}", remedy="Choose another folder with --run") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            raise StageError(f"another process is working on {run.root}", remedy="Wait for it, or use another run folder") from error
        raise ArtifactError(f"cannot lock {run.root}: {error.strerror}", remedy="Use a file system that has locks") from error
    _locks[root] = handle
    try:
        yield
    finally:
        if _locks.pop(root, None) is not None:  # else this is a forked child, which has closed it already
            os.close(handle)


def execute(
    run: Run,
    stage: str,
    *,
    config: Any,
    inputs: Mapping[str, str],
    body: Callable[[Path], Mapping[str, Any]],
    say: Callable[[str], None] = print,
    force: bool = False,
    distributed: bool = False,
) -> bool:
    """Run `body(folder)` unless its result is already there; returns whether it ran.

    A `distributed` body runs in every process of `accelerate launch` or `torchrun`; rank 0 alone may write to its folder.

    Args:
        config: JSON-serialisable; a change makes the stage run again.
        inputs: name -> hash of everything the stage reads (`Run.output_hash`, `sha256`).
        body: writes its files into the folder it is given (which still holds what a killed attempt with the same
            inputs left there) and returns its metrics.

    Raises:
        ConfigError: several processes were started for a stage that is made by one.
        StageError: another process is working on this run.
        ArtifactError: the stage has to run, and its folder cannot be written.
    """
    if ranks.world_size() > 1 and not distributed:
        raise ConfigError(f"stage '{stage}' runs in one process, and {ranks.world_size()} were started", remedy=f"Run: {command(stage)}")
    with lock(run):
        return _execute(run, stage, config, dict(inputs), body, say, force)


def _execute(
    run: Run, stage: str, config: Any, inputs: dict[str, str], body: Callable[[Path], Mapping[str, Any]], say: Callable[[str], None], force: bool
) -> bool:
    made_from = {"stage": stage, "config": config, "inputs": inputs, "version": __version__}
    print_ = fingerprint(made_from)
    if ranks.is_main() and not force:
        _rescue(run, stage, print_)
    ranks.barrier()
    current = not force and _whole(run.folder(stage), print_)
    ranks.barrier()  # all have looked before rank 0 changes anything
    if current:
        if ranks.is_main():
            run.touch()
        say(f"{stage}: up to date")
        return False
    partial = run.partial(stage)
    if ranks.is_main():
        run.touch()
        _prepare(partial, print_, fresh=force)
    ranks.barrier()
    started = time.perf_counter()
    with disk_faults_named(partial):
        metrics = dict(body(partial))
        ranks.barrier()
        if ranks.is_main():
            facts = {**made_from, "fingerprint": print_, "metrics": metrics}
            _finish(run, stage, facts, time.perf_counter() - started)
    ranks.barrier()
    say(f"{stage}: done in {time.perf_counter() - started:.0f} s")
    return True


def _finish(run: Run, stage: str, facts: dict[str, Any], seconds: float) -> None:
    """Write the manifest of a finished stage and publish its folder."""
    partial = run.partial(stage)
    names = (f.relative_to(partial) for f in sorted(partial.rglob("*")) if f.is_file())
    outputs = {name.as_posix(): sha256(partial / name) for name in names if name.parts[0] != RESUME}
    write_json(partial / MANIFEST, {**facts, "outputs": outputs, "seconds": round(seconds, 2), "versions": versions()})
    _publish(run, stage)
    run.touch()


def _whole(folder: Path, print_: str) -> bool:
    """Whether a folder has the manifest of these inputs and every file that it names."""
    if not (folder / MANIFEST).is_file():
        return False
    manifest = read_json(folder / MANIFEST)
    if manifest.get("fingerprint") != print_:
        return False
    return all((folder / name).is_file() and sha256(folder / name) == digest for name, digest in manifest["outputs"].items())


def _rescue(run: Run, stage: str, print_: str) -> None:
    """Publish what an attempt had finished that was killed just before it could."""
    partial = run.partial(stage)
    if _whole(partial, print_):
        with disk_faults_named(partial):
            _publish(run, stage)


def _prepare(partial: Path, print_: str, fresh: bool) -> None:
    """Make the work folder; what lies there is kept if a killed attempt with the same inputs left it."""
    mark = _mark(partial)
    try:
        if partial.is_dir() and (fresh or not mark.is_file() or read_json(mark).get("fingerprint") != print_):
            shutil.rmtree(partial)
        partial.mkdir(parents=True, exist_ok=True)
        (partial / MANIFEST).unlink(missing_ok=True)  # of an attempt that was killed just before it was published
        write_json(mark, {"fingerprint": print_})
    except OSError as error:
        raise ArtifactError(f"cannot write {partial}: {error.strerror}", remedy="Free space or choose another folder") from error


def _mark(partial: Path) -> Path:
    """Which inputs a partial folder belongs to. Beside the folder, because an exported bundle lists all of its files."""
    return partial.with_name(f"{partial.name}.json")


def _publish(run: Run, stage: str) -> None:
    """Swap the finished folder in; the old one leaves first by rename, so there is never a mixture of both.

    The resume state goes last: a kill before that costs nothing.
    """
    partial, final = run.partial(stage), run.folder(stage)
    retired = final.parent / f".{final.name}.old"
    shutil.rmtree(retired, ignore_errors=True)
    if final.exists():
        final.rename(retired)
    partial.rename(final)
    shutil.rmtree(retired, ignore_errors=True)
    shutil.rmtree(final / RESUME, ignore_errors=True)
    _mark(partial).unlink(missing_ok=True)
