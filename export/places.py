"""Runs whose bundles lie elsewhere, and students that have no run.

Stages and exports go on asking a `Run` where things are and what they hash to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazeclip.errors import ConfigError
from gazeclip.files.atomic import read_json
from gazeclip.files.hashes import sha256
from gazeclip.run.folder import MANIFEST, Run
from gazeclip.run.stages import EXPORT, parse_bundle_stage

STUDENT = "student"
QUANTIZED = "quantized"
DATA = "data"


@dataclass(frozen=True)
class RedirectedRun(Run):
    """A run, but its bundles are written to `out`; the run itself is only read."""

    out: Path

    def folder(self, stage: str) -> Path:
        """Of a bundle inside `out`, of all else inside the run."""
        return self.out / _name_folder(stage) if _is_bundle(stage) else super().folder(stage)


@dataclass(frozen=True)
class LoneStudent(Run):
    """What exports need of a run, made of single folders; `root` takes the bundles.

    Attributes:
        student: folder of the float student.
        quantized: folder of its quantized encoder and head; None: there is none.
        data_hash: of the rows and images that calibrate the bundles.
        teacher: SHA-256 of its teacher's weights, where an option said so; None: it was not asked.
    """

    student: Path
    quantized: Path | None
    data_hash: str
    teacher: str | None = None

    def folder(self, stage: str) -> Path:
        """Where the part lies that stands for the stage."""
        if stage == STUDENT:
            return self.student
        if stage == QUANTIZED and self.quantized is not None:
            return self.quantized
        return self.root / _name_folder(stage)

    def manifest(self, stage: str) -> dict[str, Any]:
        """Of a bundle its own; of the other parts what they are, and how they say they were made.

        A part that was copied without its record has an empty `config`.
        """
        if stage == STUDENT or (stage == QUANTIZED and self.quantized is not None):
            folder = self.folder(stage)
            record = read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else {}
            outputs = _hash_files(folder)
            if stage == STUDENT and self.teacher is not None:
                outputs["teacher"] = self.teacher
            return {"inputs": {}, "outputs": outputs, "config": record.get("config", {})}
        return super().manifest(stage)

    def output_hash(self, stage: str) -> str:
        """One hash over the content of a part."""
        return self.data_hash if stage == DATA else super().output_hash(stage)


def refuse_foreign_folders(run: Run, stages: list[str]) -> None:
    """Refuse to replace folders that no export has written.

    Raises:
        ConfigError: naming the first.
    """
    for stage in stages:
        folder = run.folder(stage)
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            continue
        record = folder / MANIFEST
        if not record.is_file() or read_json(record).get("stage") != stage:
            raise ConfigError(
                f"{folder} is there already and is no bundle that this program exported there",
                remedy="Choose another folder with --out, or move it away",
            )


def _is_bundle(stage: str) -> bool:
    return parse_bundle_stage(stage) is not None


def _name_folder(stage: str) -> str:
    return stage.removeprefix(f"{EXPORT}/")


def _hash_files(folder: Path) -> dict[str, str]:
    """Weights and configuration; what else lies there is not read."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".json"))
    return {path.name: sha256(path) for path in files if path.name != MANIFEST}
