"""Which bank is extended, by which class, and whether the two belong together. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.text_bank import BankRow, TextBankFile
from gazeclip.errors import ArtifactError, ConfigError, ImageError
from gazeclip.taxonomy import Generator, Taxonomy
from runtimes.verifier import Asked, Verifier


def open_bundle_bank(bundle: Bundle) -> TextBankFile:
    """The bank of a bundle, as a file that travels alone has it.

    Raises:
        ArtifactError: the bundle does not say of which teacher it is.
    """
    teacher = bundle.meta["provenance"].get("teacher_sha256")
    if teacher is None:
        what = f"bundle {bundle.folder} does not say of which teacher it is"
        raise ArtifactError(what, remedy="Use a bundle that was exported from a run")
    lengths = np.linalg.norm(bundle.text_bank, axis=1)
    rows = tuple(BankRow("text", length=float(length)) for length in lengths)
    return TextBankFile(bundle.text_bank, bundle.classes, rows, str(teacher))


def embed_by_bundle(
    verifier: Verifier, paths: Sequence[Path]
) -> Iterator[tuple[Path, np.ndarray | ImageError]]:
    """Each file's embedding `(D,)` as `verify` has it, of several faces the largest's."""
    last = -1
    for number, outcome in verifier.numbered_outcomes(list(paths), Asked()):
        if number == last:
            continue
        last = number
        if isinstance(outcome, ImageError):
            yield paths[number], outcome
        else:
            yield paths[number], outcome.embedding


def refuse_other_teacher(path: Path, bank: TextBankFile, teacher: str, owner: str) -> None:
    """Refuse a bank whose text rows lie in the space of another teacher.

    Args:
        teacher: SHA-256 of the weights that it must come from.
        owner: what has that teacher, for the message.

    Raises:
        ArtifactError: it is another one.
    """
    if bank.teacher != teacher:
        what = (
            f"text bank {path} is of the teacher {bank.teacher[:12]}, and {owner} is of "
            f"{teacher[:12]}: their embeddings cannot be compared"
        )
        raise ArtifactError(what, remedy="Use a bank of this teacher")


def find_generator(
    taxonomy: Taxonomy | None,
    name: str,
    category: str | None,
    family: str | None,
    title: str | None,
) -> Generator:
    """What is to be added: as options say it, and else as the taxonomy, if any, knows it.

    Raises:
        ConfigError: neither says its category and family, or options contradict the taxonomy.
    """
    if taxonomy is not None and name in taxonomy:
        known = taxonomy.get(name)
        for what, given, have in (
            ("category", category, known.category),
            ("family", family, known.family),
        ):
            if given is not None and given != have:
                raise ConfigError(
                    f"taxonomy {taxonomy.name} says that the {what} of '{name}' is {have}",
                    remedy=f"Leave --{what} out, or choose another name",
                )
        return Generator(name, title or known.title, known.category, known.family)
    if category is None or family is None:
        raise ConfigError(
            f"nothing here knows the generator '{name}'",
            remedy="Say what it does with --category and what it is with --family",
        )
    return Generator(name, title or name, category, family)
