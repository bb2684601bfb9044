"""Of which teacher a student is: it decides which text banks its bundles take."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from export.places import LoneStudent
from gazeclip.bundle.text_bank import TextBankFile
from gazeclip.errors import ConfigError
from gazeclip.files.atomic import read_json
from gazeclip.files.hashes import sha256
from gazeclip.networks.student import CONFIG, TEACHER_KEY, Student
from gazeclip.run.folder import Run

# Both are L2-normalised float32, and one of them twice.
_SAME_ROW = 1e-5


def find_teacher(run: Run) -> str | None:
    """SHA-256 of the teacher's weights: of those that are there, else as the student has it.

    Returns:
        None: nobody says.
    """
    if isinstance(run, LoneStudent):
        return run.teacher or read_teacher(run.folder("student"))
    weights = run.folder("teacher") / "model.safetensors"
    return sha256(weights) if weights.is_file() else read_teacher(run.folder("student"))


def read_teacher(student: Path) -> str | None:
    """What a student's folder says of its teacher; those of an earlier version say nothing."""
    path = student / CONFIG
    return read_json(path).get(TEACHER_KEY) if path.is_file() else None


def read_teacher_of_bank(path: Path, student: Student) -> str:
    """SHA-256 of the weights of the teacher that wrote a bank, whose rows must be the student's.

    Args:
        path: a run's folder `text_bank`, or a file of `distill text-bank`.

    Raises:
        ConfigError: the student was distilled with another bank.
        ArtifactError: this is no bank.
    """
    if path.is_dir():
        from distill.text_bank import TextBank  # the teacher's code, which no other export needs

        found = TextBank.load(path)
        teacher = found.teacher_hash
        rows = dict(zip(found.classes, found.embeddings.numpy(), strict=True))
    else:
        bank = TextBankFile.read(path)
        teacher = bank.teacher
        names = [entry.name for entry in bank.classes]
        rows = dict(zip(names, bank.embeddings, strict=True))
    for name, own in zip(student.spec.classes, student.head.text_bank.numpy(), strict=True):
        row = rows.get(name)
        if row is None or row.shape != own.shape or not _is_same(row, own):
            lacks = "has no row" if row is None else "has another row"
            raise ConfigError(
                f"the student was distilled with another text bank than {path}, which {lacks} for "
                f"'{name}'",
                remedy="Name the bank of the run that trained it with --bank",
            )
    return teacher


def _is_same(row: np.ndarray, own: np.ndarray) -> bool:
    return bool(np.abs(row / np.linalg.norm(row) - own).max() <= _SAME_ROW)


def refuse_unknown_teacher(teacher: str | None, student: Path) -> None:
    """Refuse to write models that would take no bank at all.

    Raises:
        ConfigError: nobody says of which teacher the student is.
    """
    if teacher is None:
        raise ConfigError(
            f"a model that takes a text bank takes those of one teacher only, and {student} does "
            "not say of which it is",
            remedy="With --checkpoint name the text bank that it was distilled with by --bank (a "
            "run's folder text_bank), or use --text-bank baked",
        )
