"""The data manifest: one row per image, checked completely before anything is trained on it.

Columns: `path` (relative to the manifest), `label` (a generator of the taxonomy, or `real`),
`split`; optional `identity`, `gaze_pitch`, `gaze_yaw` (radians), `crop`. Further columns are kept
out of the way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gazeclip.data.image_files import check_files
from gazeclip.data.rows import SPLITS, Sample, parse_row
from gazeclip.data.table import TableRow, read_rows
from gazeclip.errors import ManifestError
from gazeclip.files.hashes import fingerprint, sha256
from gazeclip.system.place import command_line, name_file
from gazeclip.taxonomy import REAL, Taxonomy

# What a model is fitted or tuned on; each apart from every other split.
TUNED = ("train", "val", "calibration")
FAULTS_SHOWN = 20


@dataclass(frozen=True)
class Manifest:
    """Checked samples, in file order.

    `digests`: SHA-256 of each image, where the images themselves were checked.
    """

    path: Path
    samples: tuple[Sample, ...]
    taxonomy: Taxonomy
    digests: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """`real` and the generators of the training split, in taxonomy order."""
        return self.taxonomy.classes({sample.label for sample in self.split("train")})

    def split(self, name: str) -> list[Sample]:
        """The samples of one split."""
        return [sample for sample in self.samples if sample.split == name]

    def labels(self, split: str) -> np.ndarray:
        """Label names of one split, `(N,)`."""
        return np.array([sample.label for sample in self.split(split)])

    def counts(self) -> dict[str, dict[str, int]]:
        """split -> label -> number of images."""
        table: dict[str, dict[str, int]] = {}
        for sample in self.samples:
            row = table.setdefault(sample.split, {})
            row[sample.label] = row.get(sample.label, 0) + 1
        return table

    @property
    def crop(self) -> str | None:
        """How all images were cut, as they say; None if none does."""
        return self.samples[0].crop if self.samples else None

    def hash_file(self) -> str:
        """SHA-256 of the manifest file."""
        return sha256(self.path)

    def hash_content(self, *more: str) -> str:
        """Hash of all that is learned from, in its order; places and names of images are no part.

        The images must have been checked.

        Args:
            more: hashes of what else counts, such as the taxonomy's.
        """
        rows: list[list[Any]] = []
        for sample, digest in zip(self.samples, self.digests, strict=True):
            rows.append([sample.label, sample.split, sample.identity, sample.gaze, digest])
        rows += [[digest] for digest in more]
        return fingerprint(rows)


def read_manifest(
    path: Path,
    taxonomy: Taxonomy,
    *,
    check_images: bool = True,
    progress: Callable[[int, int], None] | None = None,
    shown: int | None = FAULTS_SHOWN,
) -> Manifest:
    """Read a CSV or Parquet manifest and check everything.

    Args:
        check_images: decode every file and look for equal ones in different splits; else only see
            that it is there.
        progress: called with (files checked, files in all).
        shown: faults that the error's text names, divided over their kinds; None names all. It
            always counts all.

    Raises:
        ManifestError: all faults together: missing columns or files, unreadable images, unknown
            labels or splits, an unseen generator outside test_unseen, identities or images in two
            splits, empty classes.
    """
    path = Path(path)
    return check_rows(
        path, read_rows(path), taxonomy, check_images=check_images, progress=progress, shown=shown
    )


def check_rows(
    path: Path,
    rows: Sequence[TableRow],
    taxonomy: Taxonomy,
    *,
    check_images: bool = True,
    progress: Callable[[int, int], None] | None = None,
    shown: int | None = FAULTS_SHOWN,
) -> Manifest:
    """What `read_manifest` does, for the rows of a manifest that `path` is still to hold."""
    read = [parse_row(row, path.parent, taxonomy) for row in rows]
    samples = tuple(row.sample for row in read)
    files = [sample for sample in samples if sample.path != path.parent]
    file_faults, digests = check_files(files, check_images, progress)
    kinds = [
        [fault for row in read for fault in row.faults],
        _find_split_faults(files),
        _find_class_faults([row.sample for row in read if row.placed], taxonomy),
        _find_crop_faults(samples),
        file_faults,
    ]
    if any(kinds):
        what = _describe_faults(path, kinds, shown)
        remedy = f"Correct them ({name_file('docs/data.md')}) and run again"
        if any(sample.label not in taxonomy for sample in samples):
            remedy += "; labels of another taxonomy need its name (--taxonomy, in a run --set"
            remedy += f" data.taxonomy=, here '{taxonomy.name}')"
        raise ManifestError(what, remedy=remedy)
    return Manifest(path, samples, taxonomy, tuple(digests))


def identity_warnings(samples: Sequence[Sample]) -> list[str]:
    """What to say where persons are not known: nothing keeps them apart then."""
    unknown = sum(sample.identity is None for sample in samples)
    if not unknown:
        return []
    which = "no image has" if unknown == len(samples) else f"{unknown} of {len(samples)} lack"
    return [
        f"{which} an identity: one person in two splits, known from training when it is tested,"
        f" would not be found there (column identity, {name_file('docs/data.md')})"
    ]


def _describe_faults(path: Path, kinds: Sequence[Sequence[str]], shown: int | None) -> str:
    """All faults, or of each kind about as many.

    A thousand bad labels must not hide that an identity lies in two splits.
    """
    turns = []
    for kind, faults in enumerate(kinds):
        turns += [(place, kind) for place in range(len(faults))]
    turns.sort()  # the first of every kind, then the second of every kind
    chosen = sorted((kind, place) for place, kind in turns[:shown])
    lines = "".join(f"\n  - {kinds[kind][place]}" for kind, place in chosen)
    left = len(turns) - len(chosen)
    more = ""
    if left:
        more = f"\n  ... and {left} more; `{command_line('data', 'check')}` lists all"
    return f"{path} has {len(turns)} fault(s):{lines}{more}"


def _find_crop_faults(samples: Sequence[Sample]) -> list[str]:
    """Images that say another crop than the first one: a model knows one rule."""
    for sample in samples[1:]:
        if sample.crop != samples[0].crop:
            first = samples[0].crop or "nothing"
            return [f"{sample.prefix}crop is {sample.crop or 'nothing'}, before it is {first}"]
    return []


def _find_split_faults(samples: Sequence[Sample]) -> list[str]:
    """An image twice, or an identity of train, val or calibration in any other split."""
    faults = []
    first: dict[Path, Sample] = {}
    identities: dict[str, dict[str, Sample]] = defaultdict(dict)
    for sample in samples:
        other = first.setdefault(sample.path, sample)
        if other is not sample:
            where = f"first in {other.place}; " if other.place else ""
            faults.append(
                f"{sample.prefix}{sample.path.name} is listed twice "
                f"({where}splits {other.split} and {sample.split})"
            )
        if sample.identity and sample.split in SPLITS:
            identities[sample.identity].setdefault(sample.split, sample)
    for identity, splits in sorted(identities.items()):
        if len(splits) > 1 and set(splits) & set(TUNED):
            places = [splits[split].place for split in sorted(splits)]
            where = f" (such as {', '.join(places)})" if all(places) else ""
            names = ", ".join(sorted(splits))
            faults.append(f"identity '{identity}' lies in the splits {names}{where}")
    return faults


def _find_class_faults(samples: Sequence[Sample], taxonomy: Taxonomy) -> list[str]:
    """Empty splits, splits without reals, seen generators that are tested but never trained on."""
    faults = []
    present: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        present[sample.split].add(sample.label)
    for split in SPLITS:
        if not present[split]:
            if split != "test_unseen":  # a data set without held-out generators is legitimate
                faults.append(f"split '{split}' is empty")
            continue
        if REAL not in present[split]:
            faults.append(f"split '{split}' has no real images")
        if present[split] == {REAL}:
            faults.append(f"split '{split}' has no forgeries")
        for label in sorted(present[split] - present["train"]):
            if split != "test_unseen":
                faults.append(f"'{label}' lies in split '{split}' but not in train")
        for label in sorted(present[split] & present["train"] - {REAL}):
            if split == "test_unseen":
                faults.append(f"'{label}' lies in test_unseen and in train")
    for label in sorted(present["train"]):
        for split in ("val", "calibration", "test"):
            if present[split] and label not in present[split]:
                faults.append(f"split '{split}' has no image of '{label}', which is trained on")
    return faults
