"""The rule that every stage follows in a run folder.

Skip what is up to date, resume what was killed, never show half a result.

A stage works in `.<stage>.partial/` and the folder is renamed to `<stage>/` only when it is
complete, with a `manifest.json` beside its files: what it was made from (SHA-256), the config,
versions, metrics and its own files.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gazeclip import __version__
from gazeclip.console.progress import say
from gazeclip.errors import ArtifactError, ConfigError
from gazeclip.files.atomic import read_json, write_json
from gazeclip.files.disk import disk_faults_named
from gazeclip.files.hashes import fingerprint, sha256
from gazeclip.run.folder import MANIFEST, RESUME, Run
from gazeclip.run.lock import lock_run
from gazeclip.run.stages import stage_command
from gazeclip.run.versions import read_versions
from gazeclip.system import ranks


def execute(
    run: Run,
    stage: str,
    *,
    config: Any,
    inputs: Mapping[str, str],
    body: Callable[[Path], Mapping[str, Any]],
    force: bool = False,
    distributed: bool = False,
) -> bool:
    """Run `body(folder)` unless its result is already there; returns whether it ran.

    A `distributed` body runs in every process of `accelerate launch` or `torchrun`; rank 0 alone
    may write to its folder.

    Args:
        config: JSON-serialisable; a change makes the stage run again.
        inputs: name -> hash of everything the stage reads (`Run.output_hash`, `sha256`).
        body: writes its files into the folder it is given (which still holds what a killed attempt
            with the same inputs left there) and returns its metrics.

    Raises:
        ConfigError: several processes were started for a stage that is made by one.
        StageError: another process is working on this run.
        ArtifactError: the stage has to run, and its folder cannot be written.
    """
    if ranks.world_size() > 1 and not distributed:
        raise ConfigError(
            f"stage '{stage}' runs in one process, and {ranks.world_size()} were started",
            remedy=f"Run: {stage_command(stage)}",
        )
    with lock_run(run):
        return _execute_locked(run, stage, config, dict(inputs), body, force)


def _execute_locked(
    run: Run,
    stage: str,
    config: Any,
    inputs: dict[str, str],
    body: Callable[[Path], Mapping[str, Any]],
    force: bool,
) -> bool:
    # Everything that a stage's result depends on; a result with the same hash is up to date.
    made_from = {"stage": stage, "config": config, "inputs": inputs, "version": __version__}
    identity = fingerprint(made_from)
    if ranks.is_main() and not force:
        _publish_leftover(run, stage, identity)
    ranks.barrier()
    current = not force and _is_complete(run.folder(stage), identity)
    ranks.barrier()  # all have looked before rank 0 changes anything
    if current:
        if ranks.is_main():
            run.mark_recent()
        say(f"{stage}: up to date")
        return False
    partial = run.partial(stage)
    if ranks.is_main():
        run.mark_recent()
        _prepare_folder(partial, identity, fresh=force)
    ranks.barrier()
    started = time.perf_counter()
    with disk_faults_named(partial):
        metrics = dict(body(partial))
        ranks.barrier()
        if ranks.is_main():
            facts = {**made_from, "fingerprint": identity, "metrics": metrics}
            _finish_stage(run, stage, facts, time.perf_counter() - started)
    ranks.barrier()
    say(f"{stage}: done in {time.perf_counter() - started:.0f} s")
    return True


def _finish_stage(run: Run, stage: str, facts: dict[str, Any], seconds: float) -> None:
    """Write the manifest of a finished stage and publish its folder."""
    partial = run.partial(stage)
    outputs = {}
    for file in sorted(partial.rglob("*")):
        name = file.relative_to(partial)
        if file.is_file() and name.parts[0] != RESUME:
            outputs[name.as_posix()] = sha256(file)
    measured = {"outputs": outputs, "seconds": round(seconds, 2), "versions": read_versions()}
    write_json(partial / MANIFEST, {**facts, **measured})
    _publish_folder(run, stage)
    run.mark_recent()


def _is_complete(folder: Path, identity: str) -> bool:
    """Whether a folder has the manifest of these inputs and every file that it names."""
    if not (folder / MANIFEST).is_file():
        return False
    manifest = read_json(folder / MANIFEST)
    if manifest.get("fingerprint") != identity:
        return False
    return all(
        (folder / name).is_file() and sha256(folder / name) == digest
        for name, digest in manifest["outputs"].items()
    )


def _publish_leftover(run: Run, stage: str, identity: str) -> None:
    """Publish what an attempt had finished that was killed just before it could."""
    partial = run.partial(stage)
    if _is_complete(partial, identity):
        with disk_faults_named(partial):
            _publish_folder(run, stage)


def _prepare_folder(partial: Path, identity: str, fresh: bool) -> None:
    """Make the work folder, keeping what a killed attempt with the same inputs left in it."""
    mark = _mark_path(partial)
    try:
        has_mark = mark.is_file() and read_json(mark).get("fingerprint") == identity
        if partial.is_dir() and (fresh or not has_mark):
            shutil.rmtree(partial)
        partial.mkdir(parents=True, exist_ok=True)
        # Of an attempt that was killed just before it was published.
        (partial / MANIFEST).unlink(missing_ok=True)
        write_json(mark, {"fingerprint": identity})
    except OSError as error:
        raise ArtifactError(
            f"cannot write {partial}: {error.strerror}",
            remedy="Free space or choose another folder",
        ) from error


def _mark_path(partial: Path) -> Path:
    """Which inputs a partial folder belongs to.

    Beside the folder, because an exported bundle lists all of its files.
    """
    return partial.with_name(f"{partial.name}.json")


def _publish_folder(run: Run, stage: str) -> None:
    """Swap the finished folder in; the old one leaves first by rename, so both never mix.

    The resume state goes last: a kill before that costs nothing.
    """
    partial = run.partial(stage)
    final = run.folder(stage)
    retired = final.parent / f".{final.name}.old"
    shutil.rmtree(retired, ignore_errors=True)
    if final.exists():
        final.rename(retired)
    partial.rename(final)
    shutil.rmtree(retired, ignore_errors=True)
    shutil.rmtree(final / RESUME, ignore_errors=True)
    _mark_path(partial).unlink(missing_ok=True)
