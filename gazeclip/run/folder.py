"""A run's folder: where the stages' finished and unfinished files lie.

run = Run(Path("runs/demo"))
run.manifest("teacher")["metrics"]  # raises with the command to run where there is none
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazeclip.errors import StageError
from gazeclip.files.atomic import read_json
from gazeclip.files.hashes import fingerprint
from gazeclip.run.stages import EXPORT, STAGES, parse_bundle_stage, stage_command
from gazeclip.system.place import command_line

MANIFEST = "manifest.json"
RECIPE = "recipe.yaml"
RESUME = "resume"  # inside a stage's work folder: what only a killed attempt needs
RUNS = Path("runs")


def latest_run(root: Path = RUNS) -> Path:
    """The most recently worked-on run folder.

    Raises:
        StageError: there is none.
    """
    candidates = [folder for folder in Path(root).glob("*") if (folder / RECIPE).is_file()]
    if not candidates:
        raise StageError(
            f"no run under {root}/", remedy=f"Run first: {command_line('run', 'demo')}"
        )
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

    def is_done(self, stage: str) -> bool:
        """Whether the stage has a finished folder."""
        return (self.folder(stage) / MANIFEST).is_file()

    def bundles(self) -> dict[str, tuple[str, str]]:
        """Stages of the finished bundles, sorted, each with its target and precision."""
        found = {}
        for folder in sorted(self.folder(EXPORT).glob("*")):
            stage = f"{EXPORT}/{folder.name}"
            bundle = parse_bundle_stage(stage)
            hidden = folder.name.startswith(".")  # half made, or retired
            if bundle and not hidden and self.is_done(stage):
                found[stage] = bundle
        return found

    def manifest(self, stage: str) -> dict[str, Any]:
        """The manifest of a finished stage.

        Raises:
            StageError: the stage has not run, with the command that runs it.
        """
        if not self.is_done(stage):
            raise StageError(
                f"stage '{stage}' of {self.root} has not run",
                remedy=f"Run first: {stage_command(stage, self.root)}",
            )
        return dict(read_json(self.folder(stage) / MANIFEST))

    def output_hash(self, stage: str) -> str:
        """One hash over all files of a finished stage.

        Raises:
            StageError: the stage has not run, or what it was made from has changed since: building
                on it would mix two runs.
        """
        manifest = self.manifest(stage)
        for name, digest in manifest["inputs"].items():
            if name in STAGES and self.output_hash(name) != digest:
                raise StageError(
                    f"stage '{stage}' of {self.root} was made from another '{name}'"
                    " than the one that is there",
                    remedy=f"Run first: {stage_command(stage, self.root)}",
                )
        return fingerprint(manifest["outputs"])

    def mark_recent(self) -> None:
        """Mark this run as the most recent one; one that may only be read stays as it is."""
        with contextlib.suppress(OSError):
            os.utime(self.root / RECIPE)
