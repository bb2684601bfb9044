"""A class more in a text bank, from some photographs: the student's own embeddings of them.

The row points at the mean of the L2-normalised embeddings (a prototype, as in Snell et al. 2017,
arXiv:1703.05175). Its length is what makes it comparable with rows of text. Images lie much closer
to each other than to any text, so a prototype of unit length would take every image that resembles
the class at all. It is therefore as long as makes the photographs score on it, each against the
mean of the others, what they score on average on the best row that is there already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gazeclip.bundle.contents import BundleClass
from gazeclip.bundle.text_bank import BankRow, TextBankFile
from gazeclip.console.progress import say
from gazeclip.errors import ArtifactError, ConfigError, ImageError
from gazeclip.files.hashes import sha256
from gazeclip.taxonomy import Generator

if TYPE_CHECKING:
    from gazeclip.networks.student import Student

# Each photograph is compared with the mean of the others, which one or two do not make.
FEWEST_IMAGES = 3


@dataclass(frozen=True)
class Photographs:
    """Embeddings `(N, D)`, L2-normalised, and the SHA-256 of the N files."""

    embeddings: np.ndarray
    hashes: tuple[str, ...]


def collect_photographs(
    outcomes: Iterable[tuple[Path, np.ndarray | ImageError]],
) -> Photographs:
    """Embeddings of the images that could be read, each file's content once.

    What could not be read is named on standard error.

    Args:
        outcomes: path, and the student's embedding `(D,)` or why there is none.

    Raises:
        ImageError: fewer than `FEWEST_IMAGES` different ones are left.
    """
    found: dict[str, np.ndarray] = {}
    for path, outcome in outcomes:
        if isinstance(outcome, ImageError):
            say(f"left out: {outcome}")
            continue
        digest = sha256(path)
        if digest in found:
            say(f"left out: {path} has the same bytes as another one")
            continue
        found[digest] = outcome / np.linalg.norm(outcome)
    if len(found) < FEWEST_IMAGES:
        raise ImageError(
            f"{len(found)} photographs are too few to make a class from",
            remedy=f"Give at least {FEWEST_IMAGES}, better ten, of different people",
        )
    return Photographs(np.stack(list(found.values())), tuple(found))


def embed_by_student(
    student: Student, paths: Sequence[Path]
) -> Iterator[tuple[Path, np.ndarray | ImageError]]:
    """Each file's embedding `(D,)` by a float student, the whole image taken."""
    import torch  # here: a bundle's student needs none

    for path in paths:
        try:
            pixels = student.spec.contract.apply(path)
        except ImageError as error:
            yield path, error
            continue
        image = torch.from_numpy(pixels[None]).permute(0, 3, 1, 2)  # (1, 3, S, S)
        with torch.inference_mode():
            yield path, student(image).embedding[0].numpy()


def make_row(embeddings: np.ndarray, bank: np.ndarray, weight: float = 1.0) -> np.ndarray:
    """The row `(D,)` of a class of which only images are known.

    Args:
        embeddings: `(N, D)`, L2-normalised, N at least 2.
        bank: `(C, D)`, the rows that are there.
        weight: the row's length is multiplied by it: above 1 more images go to the class, and more
            of other classes too.
    """
    total = embeddings.sum(axis=0, dtype=np.float64)  # (D,)
    own, best = compare_scores(embeddings, bank)
    row: np.ndarray = (weight * best / own * total / np.linalg.norm(total)).astype(np.float32)
    return row


def compare_scores(embeddings: np.ndarray, bank: np.ndarray) -> tuple[float, float]:
    """What photographs score on average on each other, and on the best row that is there.

    Args:
        embeddings: `(N, D)`, L2-normalised, N at least 2.
        bank: `(C, D)`.

    Returns:
        The cosine of each with the mean of the others; its largest product with a row.
    """
    others = embeddings.sum(axis=0, dtype=np.float64) - embeddings  # (N, D): each without itself
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    own = float((others * embeddings).sum(axis=1).mean())
    return own, float((embeddings @ bank.T).max(axis=1).mean())


def _refuse_unlike(embeddings: np.ndarray, bank: np.ndarray) -> None:
    """Refuse photographs that make no class: they would make a row that draws most images.

    No direction has a higher mean cosine with the photographs than their own mean. A row that is
    there can therefore only do better, length for length, where different photographs have
    different best rows, or where hardly anything but chance is common to them. The row that they
    make would then be longer than all others.

    Raises:
        ConfigError: they resemble each other too little, or no class of the bank.
    """
    own, best = compare_scores(embeddings, bank)
    remedy = "Give photographs of one generator, cut as in training"
    if best <= 0:
        raise ConfigError("the photographs resemble no class of the bank", remedy=remedy)
    longest = float(np.linalg.norm(bank, axis=1).max())
    if not own * longest >= best:
        what = (
            f"the photographs resemble each other (cosine {own:.2f}) less than classes that the "
            f"bank has ({best / longest:.2f})"
        )
        raise ConfigError(what, remedy=remedy)


def add_by_images(
    bank: TextBankFile,
    generator: Generator,
    photographs: Photographs,
    student: str,
    weight: float = 1.0,
) -> TextBankFile:
    """The bank with a row made from photographs.

    Args:
        student: SHA-256 of the weights of the student that gave the embeddings.

    Raises:
        ArtifactError: the bank has rows of another student, or another length of embeddings.
        ConfigError: weight not above 0, or photographs that resemble each other less than the
            rows of the bank, or none of these.
    """
    if bank.student not in (None, student):
        what = f"the bank has rows made by the student {bank.student[:12]}, not {student[:12]}"
        raise ArtifactError(what, remedy="Begin with a bank that has rows of text only")
    if bank.embeddings.shape[1] != photographs.embeddings.shape[1]:
        have = photographs.embeddings.shape[1]
        what = f"the bank has rows of {bank.embeddings.shape[1]} values, the student gives {have}"
        raise ArtifactError(what, remedy="Use a bank of this student's teacher")
    if not weight > 0:
        raise ConfigError(f"a weight of {weight} is not above 0", remedy="Use 1, or a little more")
    _refuse_unlike(photographs.embeddings, bank.embeddings)
    row = make_row(photographs.embeddings, bank.embeddings, weight)
    length = float(np.linalg.norm(row))
    entry = BundleClass(generator.name, generator.title, generator.category, generator.family)
    origin = BankRow("images", photographs.hashes, length, weight)
    return replace(bank.add(entry, origin, row), student=student)


def name_missing(paths: Sequence[Path]) -> None:
    """Refuse what is no file, before a network is loaded.

    Raises:
        ConfigError: naming all of them.
    """
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise ConfigError(f"no such file: {', '.join(missing)}", remedy="Name image files")
