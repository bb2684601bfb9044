"""Other classes for a bundle: a text bank from a file takes the place of its own."""

from __future__ import annotations

from pathlib import Path

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.text_bank import TextBankFile
from gazeclip.errors import ArtifactError, ConfigError
from gazeclip.system.place import command_line


def open_with_bank(bundle: Bundle, path: Path) -> Bundle:
    """The bundle with the classes of a bank file.

    Raises:
        ConfigError: the bundle's classes are part of its model, or the bank has too many.
        ArtifactError: the bank is faulty, or of another teacher or student.
    """
    port = bundle.bank_input
    if port is None:
        again = command_line("export", "--target", bundle.target, "--text-bank", "external")
        what = f"the classes of bundle {bundle.folder} are part of its model"
        raise ConfigError(what, remedy=f"Export one that takes a text bank: {again}")
    bank = TextBankFile.read(path)
    sources = bundle.meta["provenance"]
    _refuse_other(path, "teacher", bank.teacher, sources.get("teacher_sha256"))
    if bank.student is not None:  # it has rows from images
        _refuse_other(path, "student", bank.student, sources.get("student_sha256"))
    if bank.embeddings.shape[1] != bundle.embedding_dim:
        what = f"text bank {path} has rows of {bank.embeddings.shape[1]} values"
        raise ArtifactError(what, remedy=f"This bundle's have {bundle.embedding_dim}")
    if port.rows is not None and len(bank.classes) > port.rows:
        what = f"text bank {path} has {len(bank.classes)} classes"
        raise ConfigError(what, remedy=f"The model of this bundle takes {port.rows}")
    return bundle.with_bank(bank.classes, bank.embeddings)


def _refuse_other(path: Path, who: str, have: str, wanted: str | None) -> None:
    """Refuse a bank of another network.

    Args:
        have: SHA-256 of the network's weights that the bank names.
        wanted: what the bundle names; None: nothing, and then no bank fits.

    Raises:
        ArtifactError: the two differ.
    """
    if have == wanted:
        return
    other = "does not say of which" if wanted is None else f"of {wanted[:12]}"
    what = f"text bank {path} is of the {who} {have[:12]}, the bundle {other}"
    raise ArtifactError(what, remedy=f"Use a bank of this bundle's {who}")
