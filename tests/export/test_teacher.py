"""Models that take text banks say of which teacher; a student without a run is asked for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from export.checkpoint import Given, open_checkpoint
from export.places import LoneStudent
from export.teacher import find_teacher, read_teacher_of_bank
from gazeclip.bundle.contents import BundleClass
from gazeclip.bundle.text_bank import BankRow, TextBankFile
from gazeclip.errors import ConfigError, GazeClipError, ManifestError
from gazeclip.files.atomic import write_json
from gazeclip.files.hashes import sha256
from gazeclip.files.tensors import save_tensors
from gazeclip.networks.student import Student, save_student
from gazeclip.run.folder import Run
from tests.export.conftest import CLASSES, DIM, build

TEACHER = "a" * 64


@pytest.fixture(scope="module")
def tiny() -> Student:
    return build("test_resnet")


@pytest.fixture(scope="module")
def checkpoint(tiny: Student, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student's folder as an earlier version wrote it."""
    folder = tmp_path_factory.mktemp("student")
    save_student(folder, tiny)
    return folder


def make_bank(tiny: Student, names: tuple[str, ...] = CLASSES) -> TextBankFile:
    """The student's own rows, and one of a class that it was never taught."""
    own = tiny.head.text_bank.numpy()[: len(names)]
    more = np.full((1, DIM), DIM**-0.5, np.float32)
    classes = [BundleClass("real", "real", "real", "real")]
    classes += [BundleClass(name, name, "face_swap", "gan") for name in (*names[1:], "new")]
    rows = (BankRow("text"),) * len(classes)
    return TextBankFile(np.vstack([own, more]), tuple(classes), rows, TEACHER)


def test_a_bank_with_the_students_rows_names_its_teacher(tiny: Student, tmp_path: Path) -> None:
    path = tmp_path / "bank.safetensors"
    make_bank(tiny).write(path)
    assert read_teacher_of_bank(path, tiny) == TEACHER
    facts = {"classes": list(CLASSES), "prompts": {}, "logit_scale": 10.0, "taxonomy_hash": "t"}
    write_json(tmp_path / "text_bank.json", {**facts, "teacher_hash": "b" * 64})
    # As a stage writes them: the head normalises them once more.
    values = {"embeddings": tiny.head.text_bank.clone(), "levels": torch.zeros(5, 4, DIM)}
    save_tensors(tmp_path / "text_bank.safetensors", values)
    assert read_teacher_of_bank(tmp_path, tiny) == "b" * 64


def test_a_bank_of_another_run_is_refused(tiny: Student, tmp_path: Path) -> None:
    path = tmp_path / "bank.safetensors"
    bank = make_bank(tiny)
    rows = bank.embeddings.copy()
    rows[2] = rows[2][::-1]
    replace(bank, embeddings=rows).write(path)
    with pytest.raises(ConfigError, match=r"has another row for 'gan'\. Name the bank of the run"):
        read_teacher_of_bank(path, tiny)
    make_bank(tiny, CLASSES[:4]).write(path)
    with pytest.raises(ConfigError, match="has no row for 'diffusion'"):
        read_teacher_of_bank(path, tiny)


def test_without_a_teacher_nothing_is_exported(
    tiny: Student, checkpoint: Path, tmp_path: Path
) -> None:
    """It is said before an image is read: the manifest does not even exist."""
    given = Given(checkpoint, None, tmp_path / "faces.csv", "demo")
    for overrides, text_bank in (([], "external"), (["export.text_bank=external"], None)):
        with pytest.raises(GazeClipError, match=r"of one teacher only, .* by --bank") as caught:
            open_checkpoint(given, tmp_path, overrides, text_bank)
        assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    with pytest.raises(ManifestError):  # then only the images are missing
        open_checkpoint(given, tmp_path, ["export.text_bank=external"], "baked")
    path = tmp_path / "bank.safetensors"
    make_bank(tiny).write(path)
    with pytest.raises(ManifestError):
        open_checkpoint(replace(given, bank=path), tmp_path, [], "external")


def test_a_student_that_says_its_teacher_needs_no_bank(tiny: Student, tmp_path: Path) -> None:
    folder = tmp_path / "student"
    save_student(folder, tiny, {"teacher_sha256": TEACHER})
    given = Given(folder, None, tmp_path / "faces.csv", "demo")
    with pytest.raises(ManifestError):
        open_checkpoint(given, tmp_path, [], "external")


def test_where_the_teacher_is_known_from(tiny: Student, checkpoint: Path, tmp_path: Path) -> None:
    lone = LoneStudent(tmp_path, checkpoint, None, "d" * 64)
    assert find_teacher(lone) is None
    named = replace(lone, teacher=TEACHER)
    assert find_teacher(named) == TEACHER
    assert named.output_hash("student") != lone.output_hash("student")  # exported anew
    run = Run(tmp_path / "run")
    save_student(run.folder("student"), tiny, {"teacher_sha256": TEACHER})
    assert find_teacher(run) == TEACHER
    run.folder("teacher").mkdir()
    weights = run.folder("teacher") / "model.safetensors"
    weights.write_bytes(b"weights")
    assert find_teacher(run) == sha256(weights)
