"""Which person goes to which split: drawn from a hash, then moved where a class would be left out.

The hash alone decides in a large set, so a person keeps the split when others come. In a small one
some class would have nobody in some split; as few persons as it takes are moved there, chosen by
their hash as well.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from gazeclip.errors import ManifestError
from gazeclip.taxonomy import REAL, Taxonomy

TRAINED_AND_TESTED = ("train", "val", "calibration", "test")
UNSEEN = "test_unseen"
# Shares of the persons. Reals go everywhere; unseen generators to test_unseen alone, which without
# any is absent.
SHARES = {"train": 0.6, "val": 0.1, "calibration": 0.1, "test": 0.2}
REAL_SHARES = {"train": 0.53, "val": 0.09, "calibration": 0.09, "test": 0.17, UNSEEN: 0.12}
# A draw that falls below this part of a share is corrected. In a set of hundreds of persons a class
# that never happens.
LEAST_PART = 0.5
# Draws to start from: moving one person at a time may get stuck where persons share classes.
ATTEMPTS = 20

Cell = tuple[str, str]  # (split, label)


def divide(persons: Mapping[str, Collection[str]], taxonomy: Taxonomy, seed: int) -> dict[str, str]:
    """person -> split, so that every split has every class it needs.

    Args:
        persons: person -> labels of this person's images.
        taxonomy: says which of the labels are unseen.

    Raises:
        ManifestError: too few persons of some class, with how many are needed.
    """
    for attempt in range(ATTEMPTS):
        division = _Division(persons, taxonomy, f"{seed}" if attempt == 0 else f"{seed}/{attempt}")
        division.move_where_classes_measure_lack()
        if not division.find_empty():
            return division.splits
    raise _explain_failure(division)


def image_split(split: str, label: str, taxonomy: Taxonomy) -> str | None:
    """Where an image of a person of `split` goes.

    None: an image of an unseen generator whose person is trained or tuned on belongs nowhere.
    """
    if not taxonomy.get(label).seen:
        return UNSEEN if split in ("test", UNSEEN) else None
    # A seen generator's image of a person kept for test_unseen belongs to the test of the seen.
    return "test" if split == UNSEEN and label != REAL else split


class _Division:
    """Splits of all persons, and how many persons each split has of each label."""

    def __init__(
        self, persons: Mapping[str, Collection[str]], taxonomy: Taxonomy, seed: str
    ) -> None:
        self.persons = persons
        self.taxonomy = taxonomy
        self.labels = sorted({label for labels in persons.values() for label in labels})
        self.has_unseen = any(not taxonomy.get(label).seen for label in self.labels)
        place = {person: _hash_place(person, seed) for person in persons}
        self.order = sorted(persons, key=lambda person: (place[person], person))
        self.splits = {p: _draw_split(place[p], self.shares(p)) for p in self.order}
        self.counts: Counter[Cell] = Counter()
        expected: dict[Cell, float] = dict.fromkeys(self.needed(), 0.0)
        for person in self.order:
            self.counts.update(self.cells(person, self.splits[person]))
            for split, share in self.shares(person).items():
                for cell in self.cells(person, split):
                    expected[cell] = expected.get(cell, 0.0) + share
        self.least = {cell: max(1, int(LEAST_PART * expected[cell])) for cell in self.needed()}

    def shares(self, person: str) -> dict[str, float]:
        """Where this person may go, with the probabilities."""
        labels = self.persons[person]
        if all(not self.taxonomy.get(label).seen for label in labels):
            return {UNSEEN: 1.0}
        return REAL_SHARES if self.has_unseen and REAL in labels else SHARES

    def needed(self) -> list[Cell]:
        """What no manifest may lack."""
        seen = [label for label in self.labels if self.taxonomy.get(label).seen]
        cells = [(split, label) for split in TRAINED_AND_TESTED for label in seen]
        if self.has_unseen:
            unseen = [label for label in self.labels if label not in seen]
            cells += [(UNSEEN, label) for label in (REAL, *unseen)]
        return cells

    def cells(self, person: str, split: str) -> list[Cell]:
        """What this person adds to if put into `split`."""
        found = []
        for label in sorted(self.persons[person]):
            place = image_split(split, label, self.taxonomy)
            if place is not None:
                found.append((place, label))
        return found

    def find_empty(self) -> list[Cell]:
        """What is needed and has nobody."""
        return [cell for cell in self.least if self.counts[cell] <= 0]

    def move_where_classes_measure_lack(self) -> None:
        """Move persons, one by one, as long as that brings splits nearer to their least numbers."""
        while any(self._move_one(cell) for cell in self._find_lacking()):
            pass

    def _find_lacking(self) -> list[Cell]:
        """Cells below their least number, empty ones first."""
        cells = [cell for cell in self.least if self.counts[cell] < self.least[cell]]
        return sorted(cells, key=lambda cell: (self.counts[cell] > 0, cell))

    def _move_one(self, cell: Cell) -> bool:
        """Move the person into this cell whose move helps most; of several the first by hash."""
        best = 0
        chosen = None
        for person, split in self._list_moves(cell):
            gain = self._measure_gain(person, split)
            if gain > best:
                best = gain
                chosen = (person, split)
        if chosen is None:
            return False
        person, split = chosen
        self.counts.subtract(self.cells(person, self.splits[person]))
        self.counts.update(self.cells(person, split))
        self.splits[person] = split
        return True

    def _list_moves(self, cell: Cell) -> Iterator[tuple[str, str]]:
        for person in self.order:
            if cell[1] not in self.persons[person]:
                continue
            for split in self.shares(person):
                if split != self.splits[person] and cell in self.cells(person, split):
                    yield person, split

    def _measure_gain(self, person: str, split: str) -> int:
        """By how much a move lowers what all cells lack; an empty cell outweighs all others."""
        before = self.cells(person, self.splits[person])
        after = self.cells(person, split)
        gain = 0
        for cell in sorted({*before, *after} & set(self.least)):
            count = self.counts[cell]
            moved = count + (cell in after) - (cell in before)
            gain += self._measure_lack(cell, count) - self._measure_lack(cell, moved)
        return gain

    def _measure_lack(self, cell: Cell, count: int) -> int:
        missing = max(0, self.least[cell] - count)
        return missing + (len(self.persons) + 1 if count <= 0 else 0)


def _hash_place(person: str, seed: str) -> float:
    """A number in [0, 1) that depends on nothing but person and seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{person}".encode()).digest()[:8], "big") / 2**64


def _draw_split(place: float, shares: Mapping[str, float]) -> str:
    total = 0.0
    for name, share in shares.items():
        total += share
        if place < total:
            return name
    return next(reversed(list(shares)))


def _explain_failure(division: _Division) -> ManifestError:
    """Says which classes have too few persons, and how many are needed."""
    empty = division.find_empty()
    lines = []
    for label in division.labels:
        lacking = [split for split, name in empty if name == label]
        if not lacking:
            continue
        have = sum(label in labels for labels in division.persons.values())
        needs = sum(name == label for _, name in division.least)
        why = f"needs {needs}" if have < needs else "shares them with other classes"
        lines.append(
            f"\n  - '{label}' has images of {have} person(s) and {why}: "
            f"none is left for {', '.join(lacking)}"
        )
    return ManifestError(
        f"too few persons for the splits:{''.join(lines)}\n",
        remedy="Add images of other persons to these subfolders, take the subfolders out, or "
        "correct --identity if it takes several persons for one",
    )
