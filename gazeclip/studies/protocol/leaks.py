"""Read another data set for P4; refused if the run has learned from any of its test images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gazeclip.data.manifest import TUNED, Manifest
from gazeclip.data.rows import read_samples
from gazeclip.errors import ManifestError
from gazeclip.files.hashes import sha256
from gazeclip.taxonomy import Taxonomy

TESTS = ("test", "test_unseen")


def read_other_manifest(path: Path, taxonomy: Taxonomy, trained_on: Manifest) -> Manifest:
    """The test images of another manifest, which needs no other splits.

    Raises:
        ManifestError: unusable rows, no test image, missing files, or images that `trained_on`
            gives to training or tuning.
    """
    samples = tuple(sample for sample in read_samples(path, taxonomy) if sample.split in TESTS)
    if not samples:
        raise ManifestError(
            f"{path} has no image in {' or '.join(TESTS)}",
            remedy="P4 scores these two splits; give its images one of them",
        )
    missing = [sample.path for sample in samples if not sample.path.is_file()]
    if missing:
        raise ManifestError(
            f"{len(missing)} image(s) of {path} are missing, the first: {missing[0]}",
            remedy="Correct the paths",
        )
    learned = [sample.path for sample in trained_on.samples if sample.split in TUNED]
    shared = find_same_files([sample.path for sample in samples], learned)
    if shared:
        raise ManifestError(
            f"{len(shared)} test image(s) of {path} are among those that this run was trained "
            f"or tuned on, the first: {shared[0]}",
            remedy="Leave them out; figures on them are no figures on another data set",
        )
    return Manifest(path, samples, taxonomy)


def find_same_files(tests: Sequence[Path], learned: Sequence[Path]) -> list[Path]:
    """Those of `tests` whose content is that of a file of `learned`, whatever their names."""
    by_size: dict[int, list[Path]] = {}
    for path in learned:
        by_size.setdefault(path.stat().st_size, []).append(path)
    # Only files of equal size are read: hashing a whole training set would take longer than P4.
    hashes: dict[int, set[str]] = {}
    shared = []
    for path in tests:
        size = path.stat().st_size
        if size not in by_size:
            continue
        if size not in hashes:
            hashes[size] = {sha256(file) for file in by_size[size]}
        if sha256(path) in hashes[size]:
            shared.append(path)
    return shared
