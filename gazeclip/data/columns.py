"""The columns of a manifest, and what a header has wrong.

A column that is optional by its nature is missed by nobody: one that is misspelt would be ignored,
and persons, for one, would not be kept apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gazeclip.errors import ManifestError

REQUIRED = ("path", "label", "split")
OPTIONAL = ("identity", "gaze_pitch", "gaze_yaw", "crop")
REMEDY = f"Columns: {','.join(REQUIRED)}[,{','.join(OPTIONAL)}]"
# The blank last: between other separators it is only how a table is laid out. None is any blanks.
_SEPARATORS: dict[str | None, str] = {";": "';'", "\t": "tabs", "|": "'|'", None: "blanks"}
LETTERS_PER_EDIT = 5  # one wrong letter for so many: "identiy" is identity, "drop" is not crop


def check_header(path: Path, header: Sequence[str]) -> None:
    """Every required column once, none twice, and no optional one under nearly its name.

    Raises:
        ManifestError: with what separates the columns if that is no comma, and whether only
            capitals are wrong. Of two columns with one name the last would win in silence.
    """
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        raise ManifestError(
            f"{path} has the column(s) {', '.join(twice)} more than once",
            remedy="Keep one of each; further ones may stay under other names",
        )
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise _missing_error(path, header, missing)
    misspelt = _find_misspelt(header)
    if misspelt:
        told = ", ".join(f"'{name}' (for {column}?)" for name, column in misspelt.items())
        raise ManifestError(
            f"{path} has columns that would be ignored: {told}",
            remedy=f"Write {', '.join(misspelt.values())}, or give them names that are less alike",
        )


def _missing_error(path: Path, header: Sequence[str], missing: Sequence[str]) -> ManifestError:
    line = ",".join(header)
    for separator, name in _SEPARATORS.items():
        if set(REQUIRED) <= {part.strip(' "').lower() for part in line.split(separator)}:
            return ManifestError(
                f"{path} is separated by {name}, not by ','", remedy="Save it with commas"
            )
    capital = [name for name in header if name.lower() in missing]
    if {name.lower() for name in capital} == set(missing):
        return ManifestError(
            f"{path} has the column(s) {', '.join(capital)} with capital letters",
            remedy=f"Write {', '.join(missing)}",
        )
    return ManifestError(f"{path} lacks the column(s) {', '.join(missing)}", remedy=REMEDY)


def _find_misspelt(header: Sequence[str]) -> dict[str, str]:
    """Name in the header -> the optional column that it may stand for, which is not there."""
    misspelt = {}
    for column in OPTIONAL:
        if column in header:
            continue
        for name in header:
            if name not in OPTIONAL and is_nearly(name, column):
                misspelt[name] = column
    return misspelt


def is_nearly(name: str, column: str) -> bool:
    """Whether capitals, blanks, signs between words, a plural or a letter tell the two apart."""
    allowed = len(column.replace("_", "")) // LETTERS_PER_EDIT
    written = re.sub(r"[\s.-]+", "_", name.casefold())
    return min(count_edits(one, column) for one in (written, written.removesuffix("s"))) <= allowed


def count_edits(one: str, other: str) -> int:
    """Letters to write anew, to add, to drop, or neighbours to swap, that make `other` of `one`.

    The "optimal string alignment" form of the distance of Damerau (1964), by dynamic programming.
    """
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        costs = [row]
        for column, wanted in enumerate(other, start=1):
            anew = last[column - 1] + (letter != wanted)
            cost = min(anew, last[column] + 1, costs[column - 1] + 1)
            swapped = one[row - 2 : row] == other[column - 2 : column][::-1]
            if row > 1 and column > 1 and swapped:
                cost = min(cost, before[column - 2] + 1)
            costs.append(cost)
        before = last
        last = costs
    return last[-1]
