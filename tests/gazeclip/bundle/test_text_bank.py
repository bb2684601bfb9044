"""A bank that travels alone: what it says of itself is read back, and checked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazeclip.bundle.contents import BundleClass
from gazeclip.bundle.parts import read_text_bank, write_text_bank
from gazeclip.bundle.text_bank import BankRow, TextBankFile
from gazeclip.errors import ArtifactError
from tests.conftest import CLASSES, DIM

TEACHER = "a" * 64
STUDENT = "b" * 64
NEW = BundleClass("new gan", "a new GAN", "face_swap", "gan")


@pytest.fixture
def bank(weights: dict[str, np.ndarray]) -> TextBankFile:
    rows = tuple(BankRow("text", (f"a photo of {entry.title}",)) for entry in CLASSES)
    return TextBankFile(weights["bank"], tuple(CLASSES), rows, TEACHER)


def extended(bank: TextBankFile) -> TextBankFile:
    """With a row made from images, half as long as one of text."""
    row = np.zeros(DIM, np.float32)
    row[0] = 0.5
    origin = BankRow("images", ("c" * 64, "d" * 64), 0.5, 1.2)
    return replace(bank.add(NEW, origin, row), student=STUDENT)


def rewrite(path: Path, change: Any) -> None:
    """Change the facts of a bank's file, as somebody might who is no program of ours."""
    raw = path.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    text = json.loads(raw[8:start])["__metadata__"]["gazeclip"]
    facts = json.loads(text)
    change(facts)
    write_text_bank(path, read_text_bank(path), json.dumps(facts))


def test_what_was_written_is_read(bank: TextBankFile, tmp_path: Path) -> None:
    path = tmp_path / "bank.safetensors"
    longer = extended(bank)
    longer.write(path)
    again = TextBankFile.read(path)
    np.testing.assert_array_equal(again.embeddings, longer.embeddings)
    assert replace(again, embeddings=bank.embeddings) == replace(longer, embeddings=bank.embeddings)
    assert again.classes[-1] == NEW and again.rows[-1].made == "images"
    first = path.read_bytes()
    longer.write(path)
    assert path.read_bytes() == first


def test_other_programs_read_the_file(bank: TextBankFile, tmp_path: Path) -> None:
    """The library of the format itself is the reference."""
    safetensors = pytest.importorskip("safetensors")
    path = tmp_path / "bank.safetensors"
    bank.write(path)
    with safetensors.safe_open(str(path), framework="np") as file:
        np.testing.assert_array_equal(file.get_tensor("text_bank"), bank.embeddings)
        assert json.loads(file.metadata()["gazeclip"])["teacher_sha256"] == TEACHER


def test_the_bank_of_a_bundle_says_nothing_of_itself(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match="does not say whose bank it is"):
        TextBankFile.read(bundles["onnx"] / "text_bank.safetensors")
    with pytest.raises(ArtifactError, match="is damaged"):
        TextBankFile.read(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts: facts.update(version=2), "version 2"),
        (lambda facts: facts.pop("rows"), "needs exactly classes, kind, rows"),
        (lambda facts: facts["rows"][0].update(made="dreams"), "a row made of 'dreams'"),
        (lambda facts: facts["classes"].pop(), "5 origins, rows of shape"),
        (lambda facts: facts["classes"].reverse(), "begins with 'real'"),
        (lambda facts: facts["classes"][2].update(name="swap"), "'swap' is there already"),
        (lambda facts: facts["rows"][4].update(length=1.0), "0.5000 long, not 1.0000"),
        (lambda facts: facts.update(student_sha256=None), "the student's hash do not go together"),
        (lambda facts: facts.update(teacher_sha256="?"), "is no SHA-256"),
        (lambda facts: facts["classes"][1].update(family="magic"), "face_swap/magic"),
        # no teacher, which would be no check either
        (lambda facts: facts.update(teacher_sha256=None), "teacher_sha256 is None"),
        (lambda facts: facts.update(teacher_sha256=""), "'' is no SHA-256"),
        (lambda facts: facts.update(student_sha256=""), "'' is no SHA-256"),
        # values of another type
        (lambda facts: facts.update(teacher_sha256=5), "teacher_sha256 is 5"),
        (lambda facts: facts.update(student_sha256=[]), r"student_sha256 is \[\]"),
        (lambda facts: facts.update(rows={}), "rows is {}"),
        (lambda facts: facts["rows"][1].update(length="x"), "length is 'x'"),
        (lambda facts: facts["rows"][1].update(length=None), "length is None"),
        (lambda facts: facts["rows"][1].update(length=True), "length is True"),
        (lambda facts: facts["rows"][1].update(length=10**400), "too large"),
        (lambda facts: facts["rows"][1].update(weight=float("nan")), "weight is nan"),
        (lambda facts: facts["rows"][1].update(sources="photo"), "sources is 'photo'"),
        (lambda facts: facts["rows"][1].update(sources=[7]), "a source is 7"),
        (lambda facts: facts["classes"][1].update(name=5), "name of a class is 5"),
        (lambda facts: facts["classes"][1].update(category=[]), r"category of a class is \[\]"),
        (lambda facts: facts["classes"][1].update(title={}), "title of a class is {}"),
        (lambda facts: facts["classes"][1].pop("title"), "title"),
    ],
)
def test_facts_that_do_not_fit_are_refused(
    bank: TextBankFile, tmp_path: Path, change: Any, words: str
) -> None:
    path = tmp_path / "bank.safetensors"
    extended(bank).write(path)
    rewrite(path, change)
    with pytest.raises(ArtifactError, match=words):
        TextBankFile.read(path)


def test_brackets_without_end_are_refused(bank: TextBankFile, tmp_path: Path) -> None:
    path = tmp_path / "bank.safetensors"
    brackets = "[" * 200_000
    write_text_bank(path, bank.embeddings, brackets)
    with pytest.raises(ArtifactError, match="says nothing of itself"):
        TextBankFile.read(path)
    header = brackets.encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ArtifactError, match="is damaged"):
        TextBankFile.read(path)


def test_a_bank_without_a_teacher_is_not_written(bank: TextBankFile, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="'' is no SHA-256"):
        replace(bank, teacher="").write(tmp_path / "bank.safetensors")


def test_nothing_faulty_is_written(bank: TextBankFile, tmp_path: Path) -> None:
    row = np.zeros(DIM, np.float32)
    row[1] = 1.0
    twice = bank.add(replace(NEW, name="gan"), BankRow("text"), row)
    with pytest.raises(ArtifactError, match="'gan' is there already"):
        twice.write(tmp_path / "bank.safetensors")
    unnamed = bank.add(replace(NEW, name="a\nb"), BankRow("text"), row)
    with pytest.raises(ArtifactError, match="cannot be called"):
        unnamed.write(tmp_path / "bank.safetensors")
    assert not list(tmp_path.iterdir())
