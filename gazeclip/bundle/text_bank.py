"""A text bank that travels alone: the classes that attribution chooses from, row by row.

    bank = TextBankFile.read(Path("bank.safetensors"))
    bank.classes[8].name, bank.rows[8].made, bank.embeddings[8]

One safetensors file with the tensor `text_bank` (C, D). Its facts, JSON in the header's metadata,
say whose bank it is (SHA-256 of the teacher's weights, and of the student's where rows were made
from images) and how each row was made. NumPy only, because apps and gateways read it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from gazeclip.bundle.contents import BundleClass
from gazeclip.bundle.parts import read_bank_and_facts, write_text_bank
from gazeclip.errors import ArtifactError, BundleError
from gazeclip.files.atomic import parse_json
from gazeclip.system.place import command_line
from gazeclip.taxonomy import CATEGORIES, FAMILIES, REAL

KIND = "gazeclip-text-bank"
VERSION = 1
Origin = Literal["text", "images"]
_HASH = re.compile(r"[0-9a-f]{64}")
_KEYS = {"kind", "version", "teacher_sha256", "student_sha256", "classes", "rows"}
# What facts of another form raise; the last two by brackets and digits without end.
_READ_ERRORS = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)


@dataclass(frozen=True)
class BankRow:
    """How one row was made.

    Attributes:
        made: `text`: by the teacher's language encoder, of unit length; `images`: from some
            photographs by the student, as long as `length`.
        sources: the prompts, or the SHA-256 of each image; empty where a bundle does not say.
        length: L2 norm of the row.
        weight: what the length of a row from images was multiplied with (`distill.bank_images`).
    """

    made: Origin
    sources: tuple[str, ...] = ()
    length: float = 1.0
    weight: float = 1.0


@dataclass(frozen=True)
class TextBankFile:
    """A bank and whose it is.

    Attributes:
        embeddings: `(C, D)` float32.
        classes: in the order of the rows, `real` first.
        rows: how each was made.
        teacher: SHA-256 of the weights of the teacher that all text rows come from.
        student: SHA-256 of those of the student that rows from images come from; None: no such row.
    """

    embeddings: np.ndarray
    classes: tuple[BundleClass, ...]
    rows: tuple[BankRow, ...]
    teacher: str
    student: str | None = None

    def find_faults(self) -> list[str]:
        """Why this is no bank; empty if it is one."""
        faults = _find_class_faults(self.classes)
        count = len(self.classes)
        shape = self.embeddings.shape
        if self.embeddings.ndim != 2 or shape[0] != count or len(self.rows) != count:
            return [*faults, f"{count} classes, {len(self.rows)} origins, rows of shape {shape}"]
        if not np.isfinite(self.embeddings).all():
            faults.append("a row holds values that are not finite")
        lengths = np.linalg.norm(self.embeddings.astype(np.float64), axis=1)  # (C,)
        for entry, row, length in zip(self.classes, self.rows, lengths, strict=True):
            if not abs(length - row.length) <= 1e-3:
                faults.append(f"row '{entry.name}' is {length:.4f} long, not {row.length:.4f}")
        from_images = any(row.made == "images" for row in self.rows)
        if from_images != (self.student is not None):
            faults.append("rows from images and the student's hash do not go together")
        hashes = [self.teacher] if self.student is None else [self.teacher, self.student]
        faults += [f"'{name}' is no SHA-256" for name in hashes if not _HASH.fullmatch(name)]
        return faults

    def add(self, entry: BundleClass, row: BankRow, values: np.ndarray) -> TextBankFile:
        """The bank with one class more, `values (D,)`; unchecked until it is written."""
        stacked = np.vstack([self.embeddings, values]).astype(np.float32)
        classes = (*self.classes, entry)
        return replace(self, embeddings=stacked, classes=classes, rows=(*self.rows, row))

    def write(self, path: Path) -> None:
        """Write the file; equal banks give equal bytes.

        Raises:
            ArtifactError: this is no bank, or the file cannot be written.
        """
        _refuse(path, self.find_faults())
        facts = {
            "kind": KIND,
            "version": VERSION,
            "teacher_sha256": self.teacher,
            "student_sha256": self.student,
            "classes": [asdict(entry) for entry in self.classes],
            "rows": [asdict(row) for row in self.rows],
        }
        text = json.dumps(facts, sort_keys=True, allow_nan=False)
        write_text_bank(path, self.embeddings, text)

    @classmethod
    def read(cls, path: Path) -> TextBankFile:
        """Read and check a bank that was written by `write`.

        Raises:
            ArtifactError: missing, damaged, without facts, or facts that do not fit its rows.
        """
        try:
            values, text = read_bank_and_facts(path)
        except BundleError as error:
            raise ArtifactError(error.message, remedy="Make the bank again") from error
        if text is None:
            what = f"{path} does not say whose bank it is"
            remedy = f"See: {command_line('distill', 'text-bank', 'add', '--help')}"
            raise ArtifactError(what, remedy=remedy)
        try:
            bank = cls._from_facts(values, parse_json(text))
        except _READ_ERRORS as error:
            what = f"{path} says nothing of itself that this version understands ({error})"
            raise ArtifactError(what, remedy="Make the bank again") from error
        _refuse(path, bank.find_faults())
        return bank

    @classmethod
    def _from_facts(cls, values: np.ndarray, facts: Mapping[str, Any]) -> TextBankFile:
        if facts["kind"] != KIND or facts["version"] != VERSION:
            raise ValueError(f"kind {facts['kind']!r}, version {facts['version']!r}")
        if set(facts) != _KEYS:
            raise ValueError(f"it needs exactly {', '.join(sorted(_KEYS))}")
        rows = tuple(_read_row(entry) for entry in _take(list, facts["rows"], "rows"))
        classes = tuple(_read_class(entry) for entry in _take(list, facts["classes"], "classes"))
        teacher = _take(str, facts["teacher_sha256"], "teacher_sha256")
        student = facts["student_sha256"]
        if student is not None:
            _take(str, student, "student_sha256")
        return cls(values, classes, rows, teacher, student)


def _take(kind: type, value: Any, name: str) -> Any:
    """The value, which has to be of a kind.

    Raises:
        TypeError: it is of another, and nothing later would have to expect that.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {_shorten(value)}")
    return value


def _take_number(value: Any, name: str) -> float:
    """A finite number as float.

    Raises:
        TypeError, ValueError, OverflowError: it is none.
    """
    # JSON's true is an int to Python.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {_shorten(value)}")
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return float(value)


def _shorten(value: Any) -> str:
    return repr(value)[:40]


def _read_row(entry: Mapping[str, Any]) -> BankRow:
    """The origin of a row.

    Raises:
        TypeError, ValueError, OverflowError: keys are missing, unknown or of another type.
    """
    if set(entry) != {field.name for field in fields(BankRow)}:
        raise ValueError("origins of rows")
    if entry["made"] not in get_args(Origin):
        raise ValueError(f"a row made of {entry['made']!r}")
    sources = [_take(str, item, "a source") for item in _take(list, entry["sources"], "sources")]
    length = _take_number(entry["length"], "length")
    weight = _take_number(entry["weight"], "weight")
    return BankRow(entry["made"], tuple(sources), length, weight)


def _read_class(entry: Mapping[str, Any]) -> BundleClass:
    """A class.

    Raises:
        TypeError: keys are missing, unknown or of another type.
    """
    texts = {key: _take(str, value, f"{key} of a class") for key, value in entry.items()}
    return BundleClass(**texts)


def _find_class_faults(classes: tuple[BundleClass, ...]) -> list[str]:
    names = [entry.name for entry in classes]
    faults = []
    if names[:1] != [REAL] or len(names) < 2:
        faults.append("a bank begins with 'real' and has at least one forgery")
    repeated = sorted({name for name in names if names.count(name) > 1})
    faults += [f"the class '{name}' is there already" for name in repeated]
    for entry in classes:
        if not entry.name.strip() or not entry.name.isprintable():
            faults.append(f"a class cannot be called {entry.name!r}")
        if entry.category not in CATEGORIES or entry.family not in FAMILIES:
            faults.append(f"'{entry.name}' is {entry.category}/{entry.family}")
    return faults


def _refuse(path: Path, faults: list[str]) -> None:
    if faults:
        what = f"text bank {path} is refused: {'; '.join(faults[:4])}"
        raise ArtifactError(what, remedy="Use another name or make the bank again")
