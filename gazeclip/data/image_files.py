"""Whether the images that a manifest lists are there, can be decoded, and are not of two splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gazeclip.data.pixels import count_decoders
from gazeclip.data.rows import Sample
from gazeclip.errors import ImageError
from gazeclip.files.hashes import sha256
from gazeclip.images.preprocess import PixelContract, load_image
from gazeclip.images.source import SLASHES_REMEDY, has_foreign_separators
from gazeclip.system.pool import map_in_threads


def check_files(
    samples: Sequence[Sample], decode: bool, progress: Callable[[int, int], None] | None
) -> tuple[list[str], list[str]]:
    """Faults, and the hashes of what was decoded, by several threads."""
    faults: list[str] = []
    digests: list[str] = []
    first: dict[str, Sample] = {}

    def check(sample: Sample) -> tuple[str, str]:
        return _check_file(sample.path, decode)

    for number, (fault, digest) in enumerate(map_in_threads(check, samples, count_decoders())):
        sample = samples[number]
        if fault:
            faults.append(f"{sample.prefix}{fault}")
        if digest:
            digests.append(digest)
            twin = first.setdefault(digest, sample)
            # one path twice has been told already
            if twin.split != sample.split and twin.path != sample.path:
                where = f", {twin.place}" if twin.place else ""
                faults.append(
                    f"{sample.prefix}{sample.path.name} ({sample.split}) is the same file as "
                    f"{twin.path.name} ({twin.split}){where}"
                )
        if progress is not None:
            progress(number + 1, len(samples))
    return faults, digests


def _check_file(path: Path, decode: bool) -> tuple[str, str]:
    """What is wrong with it, and the hash of what was decoded; either may be empty."""
    try:
        if not path.is_file():
            return _describe_missing(path), ""
        if not decode:
            return "", ""
        # As training will: a JPEG is read to its end, but decoded at a fraction of its size.
        load_image(path, draft_size=PixelContract.size)
        return "", sha256(path)
    except ImageError as error:
        return error.message, ""
    except OSError as error:
        return f"{path} cannot be read ({error.strerror or error})", ""


def _describe_missing(path: Path) -> str:
    if has_foreign_separators(path):
        return f"{path} is missing: {SLASHES_REMEDY[0].lower()}{SLASHES_REMEDY[1:]}"
    return f"{path} is missing"
