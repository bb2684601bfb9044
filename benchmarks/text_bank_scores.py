"""What the rows of a text bank find: shares of images whose best row is the right one.

`benchmarks.text_bank` brings the embeddings. A share is None where no image is left to be scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill.bank_images import make_row
from gazeclip.scoring.metrics import bootstrap_counts, percentile_interval

IMAGES = 10
TRAINED = "trained with it"
UNIT = "unit length"  # what a prototype does that is not scaled
DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True)
class Faces:
    """Embeddings `(N, D)` of labelled images, `labels (N,)` and who is seen, `persons (N,)`."""

    embeddings: np.ndarray
    labels: np.ndarray
    persons: np.ndarray

    def take(self, mask: np.ndarray) -> Faces:
        """Those of a mask `(N,)`."""
        return Faces(self.embeddings[mask], self.labels[mask], self.persons[mask])


@dataclass(frozen=True)
class Data:
    """What a class is scored on.

    Attributes:
        pool: its images that the ten are drawn from.
        own: its images to be scored; those of persons among the ten are left out.
        others: images of the classes that are in the bank.
        targets: their rows, `(N,)`.
    """

    pool: Faces
    own: Faces
    others: Faces
    targets: np.ndarray
    rounds: int
    seed: int = 0


@dataclass(frozen=True)
class Share:
    """A share of images, its 95% interval, and of how many images and draws of ten it is."""

    value: float
    interval: tuple[float, float] | None
    n: int
    rounds: int = 1


@dataclass(frozen=True)
class Row:
    """One class, added in one way: shares of images whose best row is the right one.

    Attributes:
        made: `text, N levels`, `images` with the weight, or `TRAINED`: nothing was added.
        own: of the class's images.
        trained: of the class's images by the row that it was trained with, if it has one.
        before: of the other classes' images, without the new row.
        after: the same with it.
    """

    name: str
    made: str
    own: Share | None
    trained: Share | None
    before: Share | None
    after: Share | None


def find_best(embeddings: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """The number of each image's best row, `(N,)`."""
    best: np.ndarray = (embeddings @ bank.T).argmax(axis=1)
    return best


def count_best(embeddings: np.ndarray, bank: np.ndarray, names: Sequence[str]) -> dict[str, int]:
    """How many images have which class's row as their best, the most first; no class of none.

    Args:
        embeddings: `(N, D)`.
        bank: `(C, D)`.
        names: of the C classes.
    """
    found = Counter(names[number] for number in find_best(embeddings, bank))
    return dict(found.most_common())


def weigh_rounds(
    hits: Sequence[np.ndarray], persons: Sequence[np.ndarray], seed: int
) -> Share | None:
    """The mean share over rounds, each of other images; None if no round has any.

    Every draw of the bootstrap takes one round at random and resamples its persons, so that the
    interval holds what the choice of the ten does as well. Rounds without images are left out.
    """
    kept = [(hit, who) for hit, who in zip(hits, persons, strict=True) if len(hit)]
    if not kept:
        return None
    rng = np.random.default_rng(seed)
    values = []
    for draw in range(DRAWS):
        hit, who = kept[int(rng.integers(len(kept)))]
        (counts,) = bootstrap_counts(len(hit), 1, seed + draw, who)
        values.append(float((hit * counts).sum() / counts.sum()))
    mean = float(np.mean([hit.mean() for hit, _ in kept]))
    return Share(mean, percentile_interval(values), len(kept[0][0]), len(kept))


def score_row(name: str, made: str, row: np.ndarray, bank: np.ndarray, data: Data) -> Row:
    """A class with one row that is the same in every round."""
    longer = np.vstack([bank, row])
    own = find_best(data.own.embeddings, longer) == len(bank)
    after = find_best(data.others.embeddings, longer) == data.targets
    before = find_best(data.others.embeddings, bank) == data.targets
    persons = data.others.persons
    return Row(
        name,
        made,
        weigh_rounds([own], [data.own.persons], data.seed),
        None,
        weigh_rounds([before], [persons], data.seed),
        weigh_rounds([after], [persons], data.seed),
    )


def score_trained(name: str, bank: np.ndarray, data: Data, place: int) -> Row:
    """A class by the row that its student was trained with; `place` is its number in the bank."""
    own = find_best(data.own.embeddings, bank) == place
    others = find_best(data.others.embeddings, bank) == data.targets
    return Row(
        name,
        TRAINED,
        weigh_rounds([own], [data.own.persons], data.seed),
        None,
        None,
        weigh_rounds([others], [data.others.persons], data.seed),
    )


def score_images(
    name: str, bank: np.ndarray, data: Data, weight: float | None, place: int | None = None
) -> Row:
    """A class whose row is made of ten images, drawn anew in each round.

    Of a pool of fewer images no row is made, so that it has no share either.

    Args:
        weight: of `make_row`; None: a row of unit length.
        place: the row that is replaced; None: one is added.
    """
    persons = data.others.persons
    hits = find_best(data.others.embeddings, bank) == data.targets
    before = weigh_rounds([hits], [persons], data.seed)
    trained = None
    if place is not None:
        hits = find_best(data.own.embeddings, bank) == place
        trained = weigh_rounds([hits], [data.own.persons], data.seed)
    made = f"{IMAGES} images, {UNIT if weight is None else f'weight {weight:g}'}"
    own = []
    who = []
    after = []
    for ten in _draw_tens(data):
        rows, number = _put_row(bank, data.pool.embeddings[ten], weight, place)
        rest = data.own.take(~np.isin(data.own.persons, data.pool.persons[ten]))
        own.append(find_best(rest.embeddings, rows) == number)
        who.append(rest.persons)
        after.append(find_best(data.others.embeddings, rows) == data.targets)
    scored = weigh_rounds(own, who, data.seed)
    costs = weigh_rounds(after, [persons] * len(after), data.seed)
    return Row(name, made, scored, trained, before, costs)


def _draw_tens(data: Data) -> list[np.ndarray]:
    """The ten images of each round, `(10,)` places in the pool; no round if it has fewer."""
    count = len(data.pool.labels)
    if count < IMAGES:
        return []
    rng = np.random.default_rng(data.seed)
    return [rng.permutation(count)[:IMAGES] for _ in range(data.rounds)]


def _put_row(
    bank: np.ndarray, ten: np.ndarray, weight: float | None, place: int | None
) -> tuple[np.ndarray, int]:
    """The bank with the row that ten images make, and the number of this row.

    Args:
        ten: embeddings `(10, D)`.
    """
    # A row that is replaced must not help to make the one that takes its place.
    known = bank if place is None else np.delete(bank, place, axis=0)
    row = make_row(ten, known, weight or 1.0)
    if weight is None:
        row = row / np.linalg.norm(row)
    if place is None:
        return np.vstack([bank, row]), len(bank)
    rows = bank.copy()
    rows[place] = row
    return rows, place
